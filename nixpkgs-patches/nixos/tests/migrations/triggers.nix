# Units that something else starts than a target: sockets, also of instances of a template, and timers. They come during a walk, and
# while their units are held. And units without a gate that need one with one: they go and come with it.
{
  imports = [ ../../lib/testing/migrations.nix ];
  name = "migrations-triggers";

  migrations = {
    service = "shelf";
    walk = false;

    base =
      { config, lib, ... }:
      {
        imports = [ ./common/shelf.nix ];
        config = lib.mkIf (config.services.shelf.version != null) {
          migrations.shelf.requiredBy = [
            "shelf.service"
            "shelf-desk.service"
            "shelf-door@.service"
            "shelf-count.service"
          ];
          systemd = {
            services = {
              # Needs the shelf, and no gate.
              shelf-lamp = {
                requires = [ "shelf.service" ];
                after = [ "shelf.service" ];
                wantedBy = [ "multi-user.target" ];
                serviceConfig.ExecStart = "/bin/sleep infinity";
              };
              # Goes with the lamp, and is nobody's to start.
              shelf-moth = {
                bindsTo = [ "shelf-lamp.service" ];
                after = [ "shelf-lamp.service" ];
                serviceConfig.ExecStart = "/bin/sleep infinity";
              };
              # Takes no connection: those that come start it, and stay.
              shelf-desk.serviceConfig.ExecStart = "/bin/sleep infinity";
              # One for each that comes.
              "shelf-door@".serviceConfig = {
                ExecStart = "/bin/cat /var/lib/shelf/version";
                StandardInput = "socket";
                StandardOutput = "socket";
              };
              shelf-count.serviceConfig = {
                Type = "oneshot";
                ExecStart = "/bin/sh -c 'test ! -e /var/lib/shelf/version || cat /var/lib/shelf/version >> /var/lib/counts'";
              };
            };
            units = {
              "shelf-desk.socket" = {
                text = "[Socket]\nListenStream=/run/desk\n";
                wantedBy = [ "multi-user.target" ];
              };
              "shelf-door.socket" = {
                text = "[Socket]\nListenStream=/run/door\nAccept=yes\n";
                wantedBy = [ "multi-user.target" ];
              };
              "shelf-count.timer" = {
                text = "[Timer]\nOnActiveSec=0\nOnUnitInactiveSec=200ms\nAccuracySec=1ms\n";
                wantedBy = [ "multi-user.target" ];
              };
            };
          };
        };
      };

    generations = {
      old.services.shelf.version = 1;
      new =
        { lib, ... }:
        {
          services.shelf.version = 2;
          migrations.shelf.steps."2024-02-01".up.script = lib.mkForce ''
            cd "$STATE_DIRECTORIES"
            echo half-way > version
            touch /run/reached
            sleep 2
            [ ! -e /run/fail ]
            echo 2 > version
          '';
        };
    };

    script = ''
      def ask(path: str) -> str:
          """The first line that somebody gets who connects there."""
          program = (
              "import socket; s = socket.socket(socket.AF_UNIX); s.settimeout(60); "
              f"s.connect('{path}'); print(s.recv(100).decode().strip())"
          )
          return machine.succeed(f'python3 -c "{program}"').strip()


      def knock(path: str) -> None:
          """Connects there, and goes away."""
          program = f"import socket; socket.socket(socket.AF_UNIX).connect('{path}')"
          machine.succeed(f'python3 -c "{program}"')


      def counts() -> List[str]:
          return machine.succeed("cat /var/lib/counts").split()


      switch("old")
      wait_for_units()
      machine.wait_until_succeeds("test -s /var/lib/counts")

      with subtest("sockets start units and instances"):
          assert ask("/run/door") == "1"
          knock("/run/desk")
          machine.wait_for_unit("shelf-desk.service")

      with subtest("what is triggered during a walk waits for its end"):
          install("new")
          machine.succeed(f"systemd-run --collect --unit=switch {command('new')}")
          machine.wait_for_file("/run/reached")
          machine.fail("systemctl is-active shelf-desk.service")
          assert ask("/run/door") == "2"
          machine.wait_until_fails("systemctl is-active switch.service")
          wait_for_units()
          machine.wait_until_succeeds("tail -n 1 /var/lib/counts | grep -x 2")
          assert set(counts()) == {"1", "2"}, counts()

      with subtest("what is triggered while its gate refuses stays down"):
          switch("old")
          wait_for_units()
          machine.succeed("touch /run/fail")
          switch_fails("new")
          are_down()
          machine.execute("python3 -c \"import socket; socket.socket(socket.AF_UNIX).connect('/run/desk')\"")
          machine.sleep(1)
          are_down()
          machine.fail("systemctl is-active shelf-desk.service")
          machine.fail("systemctl is-active shelf-lamp.service")
          assert "shelf-lamp.service" in status()["held"], status()
          before = counts()
          machine.sleep(1)
          assert counts() == before, counts()

      with subtest("resume starts them again, with the sockets and timers that had failed"):
          machine.succeed("rm /run/fail")
          machine.succeed("nixmig resume shelf --retry")
          machine.wait_for_unit("shelf.service")
          assert ask("/run/door") == "2"
          knock("/run/desk")
          machine.wait_for_unit("shelf-desk.service")
          machine.wait_until_succeeds("tail -n 1 /var/lib/counts | grep -x 2")
          assert set(counts()) == {"1", "2"}, counts()

      with subtest("so does what needs them, and waited with them"):
          machine.wait_for_unit("shelf-lamp.service")
          assert status()["held"] == [], status()

      with subtest("by hand what needs them is stopped with them, and starts when they do"):
          machine.succeed("systemctl start shelf-moth.service")
          machine.succeed(f"nixmig migrate {toplevels['old']} --stop")
          are_down()
          for unit in ["shelf-lamp.service", "shelf-moth.service"]:
              machine.fail(f"systemctl is-active {unit}")
              assert unit in status()["held"], status()
          switch("old")
          wait_for_units()
          for unit in ["shelf-lamp.service", "shelf-moth.service"]:
              machine.wait_for_unit(unit)
    '';
  };
}
