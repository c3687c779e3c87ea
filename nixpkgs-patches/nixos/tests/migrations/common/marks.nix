# A shelf of one book at versions 1 and 3, and how it is told by its marks which of them made it.
{
  migrations = {
    service = "shelf";
    base.imports = [ ./shelf.nix ];
    generations.one.services.shelf.version = 1;
    generations.three.services.shelf.version = 3;

    seed = ''
      machine.succeed("echo book >> /var/lib/shelf/items")
    '';

    check = ''
      marks = {"one": "", "three": " ^2 ^3"}[generation]
      found = machine.succeed("cat /var/lib/shelf/items")
      assert found == f"book{marks}\n", found
    '';
  };
}
