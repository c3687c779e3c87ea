{
  migrations.example = [
    {
      version = "2023-04-07";
      up.script = "up";
    }
    {
      version = "2024-04-07";
      up.script = "up";
    }
  ];
}
