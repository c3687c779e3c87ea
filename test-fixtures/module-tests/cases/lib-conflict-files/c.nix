{
  _file = "somewhere else";
  x = "a";
}
