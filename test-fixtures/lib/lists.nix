# Functions on lists.
rec {
  inherit (builtins)
    all
    any
    concatLists
    concatMap
    elem
    elemAt
    filter
    genList
    head
    isList
    length
    map
    sort
    tail
    ;

  foldl' = builtins.foldl';

  foldr =
    f: start: list:
    let
      from = n: if n == length list then start else f (elemAt list n) (from (n + 1));
    in
    from 0;

  imap0 = f: list: genList (n: f n (elemAt list n)) (length list);
  imap1 = f: list: genList (n: f (n + 1) (elemAt list n)) (length list);

  range = first: last': if first > last' then [ ] else genList (n: first + n) (last' - first + 1);

  sublist =
    start: count: list:
    let
      size = length list;
      rest = if start > size then 0 else size - start;
    in
    genList (n: elemAt list (start + n)) (if count < rest then count else rest);

  take = sublist 0;
  drop = count: list: sublist count (length list) list;
  init = list: sublist 0 (length list - 1) list;
  last = list: elemAt list (length list - 1);
  reverseList = list: genList (n: elemAt list (length list - n - 1)) (length list);

  optional = condition: value: if condition then [ value ] else [ ];
  optionals = condition: values: if condition then values else [ ];
  singleton = value: [ value ];
  toList = value: if isList value then value else [ value ];
  flatten = value: if isList value then concatMap flatten value else [ value ];

  findFirst =
    accepts: default: list:
    let
      found = filter accepts list;
    in
    if found == [ ] then default else head found;

  remove = value: filter (other: other != value);
  unique = foldl' (seen: value: if elem value seen then seen else seen ++ [ value ]) [ ];
  subtractLists = removed: filter (value: !elem value removed);
  intersectLists = kept: filter (value: elem value kept);

  sortOn =
    key: list:
    map (pair: pair.value) (
      sort (a: b: a.key < b.key) (
        map (value: {
          key = key value;
          inherit value;
        }) list
      )
    );

  catAttrs = builtins.catAttrs;
  groupBy = builtins.groupBy;
  partition = builtins.partition;

  zipListsWith =
    f: as: bs:
    genList (n: f (elemAt as n) (elemAt bs n)) (if length as < length bs then length as else length bs);
}
