# The words that are checked wherever they occur: services, versions, names of environment variables.
# Plain functions from strings to booleans; who asks says what is wrong and where.
{ lib }:

let
  inherit (builtins) elemAt match stringLength;
  inherit (lib) foldl' stringToCharacters;

  digits = {
    "0" = 0;
    "1" = 1;
    "2" = 2;
    "3" = 3;
    "4" = 4;
    "5" = 5;
    "6" = 6;
    "7" = 7;
    "8" = 8;
    "9" = 9;
  };

  # `builtins.fromJSON` takes no leading zeros, and dates are full of them.
  number = text: foldl' (sum: digit: sum * 10 + digits.${digit}) 0 (stringToCharacters text);

  divides = divisor: n: n / divisor * divisor == n;
  isLeap = year: divides 4 year && (!divides 100 year || divides 400 year);

  daysOf =
    year: month:
    elemAt [
      31
      (if isLeap year then 29 else 28)
      31
      30
      31
      30
      31
      31
      30
      31
      30
      31
    ] (month - 1);
in
{
  # The store takes names of 211 bytes; `migrate-<service>-2023-09-14.1-down-restore` is 34 longer than its service.
  isService = name: stringLength name <= 177 && match "[A-Za-z0-9_][A-Za-z0-9_.-]*" name != null;

  # YYYY-MM-DD or YYYY-MM-DD.N, a day that the calendar has, N from 1 to 9.
  isVersion =
    version:
    let
      parts = match "([0-9]{4})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(\\.[1-9])?" version;
      part = n: number (elemAt parts n);
    in
    parts != null && part 2 <= daysOf (part 0) (part 1);

  isVariable = name: match "[A-Za-z_][A-Za-z0-9_]*" name != null;
}
