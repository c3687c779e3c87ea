# A site adds the ways back that nixpkgs lacks, in either form.
{
  migrations.example.steps."2023-04-07".down.script = "down";
}
