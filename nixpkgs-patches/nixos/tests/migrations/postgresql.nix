# PostgreSQL 15 to 17 by pg_upgrade, and back by dumping and loading: by a switch, and when a PostgreSQL 15 that never heard of
# migrations is chosen in the boot menu.
{
  imports = [ ../../lib/testing/migrations.nix ];
  name = "migrations-postgresql";

  migrations = {
    service = "postgresql";

    walk = false;
    generations.unaware =
      { pkgs, ... }:
      {
        services.nixmig.enable = false;
        services.postgresql = {
          enable = true;
          package = pkgs.postgresql_15;
        };
      };
    generations.old =
      { pkgs, ... }:
      {
        services.postgresql = {
          enable = true;
          package = pkgs.postgresql_15;
        };
      };
    generations.new =
      { pkgs, ... }:
      {
        services.postgresql = {
          enable = true;
          package = pkgs.postgresql_17;
        };
      };

    seed = ''
      ask("CREATE TABLE book (title text, page int)")
      ask("INSERT INTO book SELECT 'Sand', page FROM generate_series(1, 1000) page")
    '';

    check = ''
      major = "17" if generation.startswith("new") else "15"
      assert ask("SHOW server_version").startswith(major)
      assert ask("SELECT title, count(*), sum(page) FROM book GROUP BY title") == "Sand|1000|500500"
    '';

    script = ''
      def ask(query: str) -> str:
          """What the server answers."""
          return machine.succeed(f'runuser -u postgres -- psql --no-psqlrc -tAc "{query}"').strip()


      switch("unaware")
      wait_for_units()
      seed()

      with subtest("state that was never spoken of goes up, and back"):
          switch("new")
          arrives("new")
          switch("old")
          arrives("old")
          switch("new")
          arrives("new")

      with subtest("in the boot menu, a generation that never heard of it starts on all data"):
          boot_menu("unaware")
          arrives("unaware")
          ask("INSERT INTO book VALUES ('Sand', 0)")
          ask("DELETE FROM book WHERE page = 0")
          machine.reboot()
          arrives("new")
    '';
  };
}
