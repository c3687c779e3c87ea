{ lib, ... }:
let
  double = text: n: if n == 0 then text else double (text + text) (n - 1);
in
{
  migrations.example.environment.LONG = double "x" 20;
}
