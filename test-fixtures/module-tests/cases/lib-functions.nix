# The functions of the library beside the module system.
{ lib, ... }:
let
  inherit (lib) types;
  attempt = value: (builtins.tryEval (builtins.deepSeq value value)).value;
  set = {
    a = 1;
    b = {
      c = 2;
      d = [ 3 ];
    };
  };
  tool = {
    type = "derivation";
    name = "tool-1.2";
    pname = "tool";
    version = "1.2";
    outPath = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-tool-1.2";
    bin.outPath = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-tool-1.2-bin";
  };
in
{
  shown = {
    lists = {
      foldr = lib.foldr (a: b: "${a}(${b})") "." [
        "a"
        "b"
      ];
      foldl = lib.foldl' (a: b: "${a}(${b})") "." [
        "a"
        "b"
      ];
      imap =
        lib.imap0 (n: x: "${toString n}${x}") [
          "a"
          "b"
        ]
        ++ lib.imap1 (n: x: "${toString n}${x}") [ "a" ];
      range = lib.range 2 4 ++ lib.range 4 2;
      take = [
        (lib.take 2 [
          1
          2
          3
        ])
        (lib.take 9 [ 1 ])
        (lib.drop 1 [
          1
          2
        ])
        (lib.drop 9 [ 1 ])
      ];
      sublist = lib.sublist 1 2 [
        1
        2
        3
        4
      ];
      ends = [
        (lib.init [
          1
          2
          3
        ])
        (lib.last [
          1
          2
        ])
        (lib.reverseList [
          1
          2
          3
        ])
      ];
      optional =
        lib.optional true 1
        ++ lib.optional false 1
        ++ lib.optionals true [ 2 ]
        ++ lib.optionals false [ 2 ];
      flatten =
        lib.flatten [
          1
          [
            2
            [ 3 ]
          ]
        ]
        ++ lib.toList 4
        ++ lib.toList [ 5 ]
        ++ lib.singleton 6;
      find = [
        (lib.findFirst (n: n > 1) 0 [
          1
          2
          3
        ])
        (lib.findFirst (n: n > 9) 0 [ 1 ])
      ];
      unique = lib.unique [
        3
        1
        3
        2
        1
      ];
      remove = lib.remove 1 [
        1
        2
        1
      ];
      subtract = [
        (lib.subtractLists [ 1 ] [ 1 2 ])
        (lib.intersectLists [ 1 3 ] [ 3 2 1 ])
      ];
      sortOn = lib.sortOn (x: x.k) [
        { k = 2; }
        {
          k = 1;
          n = 1;
        }
        {
          k = 1;
          n = 2;
        }
      ];
      zip = lib.zipListsWith (a: b: a + b) [ 1 2 3 ] [ 10 20 ];
    };
    attrsets = {
      byPath = [
        (lib.attrByPath [ "b" "c" ] 0 set)
        (lib.attrByPath [ "b" "x" ] 0 set)
        (lib.attrByPath [ "a" "x" ] 0 set)
      ];
      has = [
        (lib.hasAttrByPath [ "b" "d" ] set)
        (lib.hasAttrByPath [ "b" "x" ] set)
        (lib.getAttrFromPath [ "b" "c" ] set)
      ];
      setPath = lib.setAttrByPath [ "a" "b" ] 1;
      rename = lib.mapAttrs' (n: v: lib.nameValuePair "x-${n}" v) set;
      toList = lib.mapAttrsToList (n: _: n) set ++ lib.attrsToList { a = 1; };
      filtered = lib.filterAttrs (n: _: n != "a") set;
      optional = lib.optionalAttrs true set // lib.optionalAttrs false { z = 1; };
      concat =
        lib.concatMapAttrs
          (n: v: {
            ${n} = v;
            "${n}${n}" = v;
          })
          {
            a = 1;
            b = 2;
          };
      zip =
        lib.zipAttrsWith
          (n: vs: [
            n
            vs
          ])
          [
            { a = 1; }
            {
              a = 2;
              b = 3;
            }
          ];
      zipAttrs = lib.zipAttrs [
        { a = 1; }
        {
          a = 2;
          b = 3;
        }
      ];
      recursive = lib.recursiveUpdate set {
        b.c = 3;
        b.e = 4;
        a.x = 1;
      };
      mapped = lib.mapAttrsRecursive (path: v: "${lib.concatStringsSep "." path}") {
        a.b = 1;
        c = 2;
      };
      collected = lib.collect lib.isList set;
      generated = lib.genAttrs [ "x" "y" ] (n: n + n);
      outputs = [
        (lib.getBin tool).outPath
        (lib.getOutput "out" tool).outPath
      ];
    };
    strings = {
      joined =
        lib.concatMapStringsSep "," toString [
          1
          2
        ]
        + lib.concatStrings [
          "a"
          "b"
        ]
        + lib.concatMapStrings toString [
          1
          2
        ]
        + lib.concatLines [
          "x"
          "y"
        ];
      split = [
        (lib.splitString "." "a.b..c")
        (lib.splitString "ab" "xabyab")
        (lib.splitString "$(" "a$(b")
        (lib.stringToCharacters "abc")
      ];
      affixes = [
        (lib.hasPrefix "a" "ab")
        (lib.hasPrefix "ab" "a")
        (lib.hasSuffix "b" "ab")
        (lib.hasSuffix "ab" "b")
        (lib.hasInfix "b+" "ab+c")
        (lib.hasInfix "x" "ab")
        (lib.removePrefix "a" "ab")
        (lib.removeSuffix "b" "ab")
        (lib.removeSuffix "x" "ab")
      ];
      escaped = [
        (lib.escape [ "a" "\\" ] "a\\b")
        (lib.escapeShellArg "a b'c")
        (lib.escapeShellArg "plain/1")
        (lib.escapeShellArg "")
        (lib.escapeShellArgs [
          "a"
          "b c"
        ])
        (lib.strings.escapeNixString "a\${b}\"\n")
        (lib.strings.escapeNixIdentifier "a-b")
        (lib.strings.escapeNixIdentifier "1a")
        (lib.strings.escapeNixIdentifier "with")
      ];
      trimmed = [
        (lib.trim "  a b\n")
        (lib.trim " ")
      ];
      paths = [
        (lib.makeBinPath [
          tool
          "/usr"
          null
        ])
        (lib.makeSearchPathOutput "bin" "sbin" [ tool ])
        (lib.isStorePath tool)
        (lib.isStorePath "/etc")
      ];
      versions = [
        (lib.versionOlder "1.9" "1.10")
        (lib.versionAtLeast "1.10" "1.10")
        (lib.versions.major "17.2")
        (lib.versions.majorMinor "17.2.1")
        (lib.getName tool)
        (lib.getVersion tool)
        (lib.getVersion "tool-3.4")
        (lib.getName "tool-3.4")
      ];
      numbers = [
        (lib.toInt "12")
        (lib.toInt " -3 ")
        (attempt (lib.toInt "012"))
        (attempt (lib.toInt "x"))
      ];
      distances = map (lib.strings.levenshtein "kitten") [
        "sitting"
        ""
        "kitten"
        "kit"
      ];
    };
    functions = {
      pipe = lib.pipe 1 [
        (n: n + 1)
        toString
      ];
      small = [
        (lib.min 1 2)
        (lib.max 1 2)
        (lib.boolToString true)
        (lib.mapNullable (n: n + 1) null)
        (lib.mapNullable (n: n + 1) 1)
        (lib.id 1)
        (lib.const 1 2)
        (lib.flip (a: b: a - b) 1 3)
      ];
      functions = [
        (lib.isFunction (x: x))
        (lib.isFunction { __functor = _: x: x; })
        (lib.isFunction 1)
        (lib.functionArgs (
          {
            a,
            b ? 1,
          }:
          a
        ))
      ];
      fix =
        (lib.fix (self: {
          a = 1;
          b = self.a + 1;
        })).b;
    };
    options = {
      shown = lib.showOption [
        "a"
        "b c"
        "<name>"
        "*"
        "1"
        "with"
      ];
      files = lib.showFiles [
        "a"
        "b"
      ];
      enable = removeAttrs (lib.mkEnableOption "it") [ "type" ];
      literal = lib.literalExpression "a";
      filtered = lib.filterOverrides [
        {
          file = "a";
          value = lib.mkDefault 1;
        }
        {
          file = "b";
          value = 2;
        }
        {
          file = "c";
          value = 3;
        }
      ];
    };
    types = {
      described = map (type: type.description) (
        with types;
        [
          bool
          int
          float
          str
          path
          package
          raw
          anything
          unspecified
          lines
          attrs
          singleLineStr
          nonEmptyStr
          commas
          (listOf (nullOr int))
          (nullOr (listOf int))
          (attrsOf (attrsOf int))
          (either int (listOf str))
          (oneOf [
            int
            str
            bool
          ])
          (listOf (either int str))
          (coercedTo int toString str)
          (functionTo int)
          (uniq str)
          (submodule { })
          (submodule { freeformType = attrsOf int; })
          (enum [
            1
            2
          ])
          (listOf (enum [ "a" ]))
          optionType
          (lazyAttrsOf int)
        ]
      );
      checks =
        map
          (
            type:
            map type.check [
              1
              "a"
              "/a"
              true
              null
              [ ]
              { }
              (x: x)
              ./.
              ""
            ]
          )
          (
            with types;
            [
              bool
              int
              str
              path
              raw
              (listOf int)
              (attrsOf int)
              (nullOr int)
              (either int str)
              (enum [
                1
                "a"
              ])
              (submodule { })
              lines
              nonEmptyStr
              package
            ]
          );
      options = lib.attrNames ((types.submodule { options.a = lib.mkOption { }; }).getSubOptions [ ]);
    };
    pretty = lib.generators.toPretty { multiline = false; } {
      a = [
        1
        "b\nc"
      ];
      f =
        {
          x ? 1,
        }:
        x;
    };
    modules =
      let
        eval = lib.evalModules {
          prefix = [ "root" ];
          specialArgs.special = 1;
          modules = [
            (
              {
                special,
                options,
                config,
                ...
              }:
              {
                options.a = lib.mkOption { type = types.int; };
                options.b = lib.mkOption {
                  type = types.str;
                  default = "b";
                };
                config.a = special;
              }
            )
          ];
        };
        extended = eval.extendModules { modules = [ { b = "c"; } ]; };
      in
      {
        inherit (eval) config;
        extended = extended.config;
        option = "${eval.options.a}";
        files = extended.options.b.files;
        priorities = [
          eval.options.b.highestPrio
          extended.options.b.highestPrio
        ];
        defined = [
          eval.options.b.isDefined
          eval.options.a.definitions
        ];
      };
  };
}
