# GitLab leaves, Forgejo comes.
{
  release = "26.05";
  services = [
    "postgresql"
    "inventory"
    "forgejo"
  ];
}
