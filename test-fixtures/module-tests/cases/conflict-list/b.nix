{
  migrations.example = [
    {
      version = "2023-04-07";
      up.script = "another";
    }
  ];
}
