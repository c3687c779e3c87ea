# Up over two steps by a switch, and back.
{
  imports = [ ../../lib/testing/migrations.nix ];
  name = "migrations-switch";

  migrations = {
    service = "shelf";
    base.imports = [ ./common/shelf.nix ];
    generations.old.services.shelf.version = 1;
    generations.new.services.shelf.version = 3;

    seed = ''
      machine.succeed("echo book >> /var/lib/shelf/items")
    '';

    check = ''
      marks = {"old": "", "new": " ^2 ^3"}[generation]
      found = machine.succeed("cat /var/lib/shelf/items")
      assert found == f"book{marks}\n", found
    '';
  };
}
