# A shelf of one book, whose first generation knows nothing of migrations, and how it is told by its marks which one it is of.
{
  migrations = {
    service = "shelf";
    base.imports = [ ./shelves.nix ];

    # From before anybody spoke of migrations.
    generations.bare = {
      services.nixmig.enable = false;
      services.shelves.shelf = {
        version = 1;
        migrate = false;
      };
    };
    generations.two.services.shelves.shelf = {
      version = 2;
      program = true;
    };
    generations.three.services.shelves.shelf = {
      version = 3;
      program = true;
    };

    seed = ''
      machine.succeed("echo book >> /var/lib/shelf/items")
    '';

    check = ''
      marks = {"bare": "", "two": " ^2", "three": " ^2 ^3"}[generation]
      found = machine.succeed("cat /var/lib/shelf/items")
      assert found == f"book{marks}\n", found
    '';
  };
}
