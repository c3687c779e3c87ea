//! The project's own flake, without a network: a stand-in takes the place of nixpkgs.
//!
//! `NIXPKGS=DIR` puts the `lib` of a checkout in the place of the fixtures' own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::fixtures::{environment, fixtures};

/// What the flake's outputs are made from.
const PARTS: [&str; 8] = [
    ".cargo",
    "Cargo.lock",
    "Cargo.toml",
    "benches",
    "flake.lock",
    "flake.nix",
    "nixpkgs-patches",
    "src",
];

/// A commit of the flake, and a directory that is a flake in the place of nixpkgs.
struct Flake {
    directory: tempfile::TempDir,
}

impl Flake {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let repository = directory.path().join("repository");
        for part in PARTS {
            copy(&root.join(part), &repository.join(part));
        }
        let lib = match std::env::var_os("NIXPKGS").filter(|path| !path.is_empty()) {
            Some(nixpkgs) => PathBuf::from(nixpkgs).join("lib"),
            None => root.join("test-fixtures/lib"),
        };
        println!("lib: {}", lib.display());
        let nixpkgs = directory.path().join("nixpkgs");
        copy(&root.join("test-fixtures/nixpkgs"), &nixpkgs);
        copy(&lib, &nixpkgs.join("lib"));
        let flake = Self { directory };
        flake.output(Command::new("git").args(["init", "--quiet"]).arg(&repository));
        flake.output(
            Command::new("git")
                .arg("-C")
                .arg(&repository)
                .args(["add", "--all"]),
        );
        let name = [
            "-c",
            "user.name=x",
            "-c",
            "user.email=x@example.org",
            "-c",
            "commit.gpgsign=false",
        ];
        flake.output(Command::new("git").arg("-C").arg(&repository).args(name).args([
            "commit",
            "--quiet",
            "--message",
            "x",
        ]));
        flake
    }

    fn output(&self, command: &mut Command) -> String {
        // Nix refuses a store that is reached through a symbolic link.
        let directory = fs::canonicalize(self.directory.path()).unwrap();
        let output = command
            .envs(environment(&directory))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{command:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// What `nix` says of the flake, or of an output of it.
    fn nix(&self, arguments: &[&str], output: &str, more: &[&str]) -> Value {
        let reference = format!(
            "git+file://{}/repository{output}",
            self.directory.path().display()
        );
        let nixpkgs = format!("path:{}/nixpkgs", self.directory.path().display());
        let text = self.output(
            Command::new("nix")
                .args(arguments)
                .args([
                    "--json",
                    "--no-write-lock-file",
                    "--override-input",
                    "nixpkgs",
                    &nixpkgs,
                ])
                .args(more)
                .arg(reference),
        );
        serde_json::from_str(&text).unwrap()
    }
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let name = entry.unwrap().file_name();
            copy(&from.join(&name), &to.join(&name));
        }
    } else {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
        // Files of a store may not be written to, which their copies must.
        let mut permissions = fs::metadata(to).unwrap().permissions();
        #[expect(clippy::permissions_set_readonly_false, reason = "a copy of one's own")]
        permissions.set_readonly(false);
        fs::set_permissions(to, permissions).unwrap();
    }
}

#[test]
fn the_flake_works_without_a_network() {
    // The fixtures need what this needs, and say so where it is missing.
    if fixtures().is_none() {
        return;
    }
    let flake = Flake::new();
    let version = env!("CARGO_PKG_VERSION");

    let metadata = flake.nix(&["flake", "metadata"], "", &[]);
    let description = metadata["description"].as_str().unwrap();
    assert_eq!(description, env!("CARGO_PKG_DESCRIPTION").replace('\n', " "));

    let shown = flake.nix(&["flake", "show"], "", &[]);
    let system = "x86_64-linux";
    let named = |value: &Value| value["name"].as_str().unwrap().to_owned();
    for package in ["nixmig", "default"] {
        assert_eq!(
            named(&shown["packages"][system][package]),
            format!("nixmig-{version}")
        );
    }
    assert_eq!(shown["nixosModules"]["default"]["type"], "nixos-module");
    assert_eq!(shown["overlays"]["default"]["type"], "nixpkgs-overlay");
    assert_eq!(shown["apps"][system]["default"]["type"], "app");
    assert_eq!(named(&shown["devShells"][system]["default"]), "nix-shell");
    let checks: Vec<_> = shown["checks"][system].as_object().unwrap().keys().collect();
    assert_eq!(checks, ["format", "module", "package"]);

    // The module, in the fixtures' miniature NixOS.
    let root = env!("CARGO_MANIFEST_DIR");
    let lib = flake.directory.path().join("nixpkgs/lib");
    let module = format!(
        "module: let evaluated = import {root}/test-fixtures/nixos {{ \
           lib = import {lib}; release = \"25.05\"; \
           modules = [ module ({{ pkgs, ... }}: {{ \
             services.nixmig = {{ enable = true; package = pkgs.nixmig; }}; \
             migrations.db.steps.\"2023-04-07\".up.script = \"true\"; \
             systemd.services.db.serviceConfig.ExecStart = \"/bin/true\"; \
           }}) ]; \
         }}; in {{ \
           gate = evaluated.config.systemd.units.\"migrate-db.service\".text; \
           unit = evaluated.config.systemd.services.db.unitConfig; \
           options = builtins.attrNames evaluated.options.services.nixmig; \
         }}",
        lib = lib.display()
    );
    let evaluated = flake.nix(
        &["eval"],
        "#nixosModules.default",
        &["--impure", "--apply", &module],
    );
    let gate = evaluated["gate"].as_str().unwrap();
    for line in [
        "X-Migration-Service=db\n",
        "[X-Migration 2023-04-07]\n",
        "UpDigest=sha256:",
    ] {
        assert!(gate.contains(line), "{line}: {gate}");
    }
    assert!(
        gate.contains(&format!("-nixmig-{version}/bin/nixmig gate db 2023-04-07\n")),
        "{gate}"
    );
    assert_eq!(
        evaluated["unit"]["X-Migration-Versions"],
        serde_json::json!(["db 2023-04-07"])
    );
    for option in ["enable", "package"] {
        assert!(evaluated["options"].as_array().unwrap().contains(&option.into()));
    }
}
