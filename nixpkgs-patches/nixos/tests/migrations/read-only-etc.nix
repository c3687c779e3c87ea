# Where nobody can write to /etc, gates do all that they do elsewhere, and no guard can be.
{
  imports = [ ../../lib/testing/migrations.nix ];
  name = "migrations-read-only-etc";

  migrations = {
    service = "shelf";
    faults = [ "crash" ];
    base = {
      imports = [ ./common/shelf.nix ];
      system.etc.overlay = {
        enable = true;
        mutable = false;
      };
    };
    generations.old.services.shelf.version = 1;
    generations.new.services.shelf.version = 3;

    seed = ''
      machine.fail("touch /etc/file")
      machine.succeed("echo book >> /var/lib/shelf/items")
    '';

    check = ''
      marks = {"old": "", "new": " ^2 ^3"}[generation]
      found = machine.succeed("cat /var/lib/shelf/items")
      assert found == f"book{marks}\n", found
    '';

    script = ''
      switch("new")
      arrives("new")
      boot_menu("old")
      arrives("old")
    '';
  };
}
