{
  migrations.example.serviceConfig.User = {
    name = "postgres";
  };
}
