# Three services wait for each other, a fourth for them.
{
  migrations = {
    a.requires = [ "b.service" ];
    b.requires = [ "c-worker.service" ];
    c.requiredBy = [ "c-worker.service" ];
    c.requires = [ "migrate-a.service" ];
    "0".requires = [ "a.service" ];
  };
}
