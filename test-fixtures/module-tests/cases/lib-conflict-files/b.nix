{ config, ... }: {
  x = "b";
  shown = config.x;
}
