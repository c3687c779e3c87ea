# Functions on functions and on plain values.
{ lib }:

rec {
  inherit (builtins)
    addErrorContext
    genericClosure
    isBool
    isFloat
    isInt
    isPath
    isString
    seq
    deepSeq
    trace
    typeOf
    ;

  id = value: value;
  const = value: _: value;
  flip =
    f: a: b:
    f b a;
  pipe = lib.foldl' (value: f: f value);
  min = a: b: if a < b then a else b;
  max = a: b: if a > b then a else b;
  mapNullable = f: value: if value == null then null else f value;
  boolToString = value: if value then "true" else "false";
  fix =
    f:
    let
      value = f value;
    in
    value;

  isFunction =
    value: builtins.isFunction value || (value ? __functor && isFunction (value.__functor value));
  functionArgs =
    f:
    if f ? __functor then
      f.__functionArgs or (functionArgs (f.__functor f))
    else
      builtins.functionArgs f;

  isType = tag: value: value._type or "" == tag;

  warn =
    let
      esc = builtins.fromJSON "\"\\u001b\"";
    in
    builtins.warn or (message: builtins.trace "${esc}[1;35mevaluation warning:${esc}[0m ${message}");
  warnIf = condition: message: if condition then warn message else id;

  throwIfNot = condition: message: if condition then id else throw message;
  throwIf = condition: throwIfNot (!condition);
  assertMsg = condition: message: if condition then true else throw message;
}
