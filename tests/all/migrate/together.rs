//! More than one nixmig at a time, and more than one service.

use std::fs;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::calls::{said, wait};
use super::world::{Kind, Service, V, World};

/// Begins a migration whose script waits in its midst until [`go`].
fn held(world: &World) -> Child {
    let control = world.path("control").display().to_string();
    let words = format!(
        ": > {control}/came; n=0; while [ ! -e {control}/go ] && [ $n -lt 6000 ]; do sleep 0.01; n=$((n + 1)); done\n"
    );
    world.at("up-2024-02-01-script-end", &words);
    let child = world.begin(&["migrate", "3"]);
    wait("the script came there", || world.path("control/came").exists());
    child
}

fn go(world: &World) {
    fs::write(world.path("control/go"), "").unwrap();
}

/// Begins another, and sees that it waits.
fn waiting(world: &World) -> Child {
    let mut child = world.begin(&["migrate", "3"]);
    std::thread::sleep(Duration::from_millis(500));
    assert!(child.try_wait().unwrap().is_none(), "it did not wait");
    child
}

fn ends(child: Child, code: i32) -> String {
    let output = child.wait_with_output().unwrap();
    let said = said(&output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

fn once() -> String {
    format!("data {} {} ", V[0], V[1])
}

#[test]
fn the_second_waits_and_finds_nothing_to_do() {
    let world = World::usual();
    let first = held(&world);
    let pid = first.id();
    let second = waiting(&world);
    // Who does not want to wait is told so, and readers are not held up.
    let refused = world.ends(1, &["migrate", "3", "--no-wait"]);
    assert!(refused.contains(&format!("process {pid}")), "{refused}");
    let running = world.ends(0, &["status"]);
    assert!(running.contains("db  running"), "{running}");
    go(&world);
    ends(first, 0);
    let said = ends(second, 0);
    assert!(said.contains(&format!("Waiting for process {pid}")), "{said}");
    assert!(said.contains("Nothing to do"), "{said}");
    assert_eq!(world.log("db"), once());
}

#[test]
fn the_first_is_killed_while_the_second_waits() {
    let world = World::usual();
    let mut first = held(&world);
    let second = waiting(&world);
    first.kill().unwrap();
    assert_eq!(first.wait().unwrap().signal(), Some(9));
    // Its script lives on, and holds the lock: nothing is brought back beneath its feet.
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(world.log("db"), once());
    go(&world);
    let said = ends(second, 0);
    assert!(said.contains("a script of db that outlived its nixmig"), "{said}");
    assert!(said.contains("restored"), "{said}");
    assert_eq!((world.log("db"), world.applied("db")), (once(), V[..2].join(" ")));
    assert!(world.backups().is_empty());
}

#[test]
fn nothing_is_to_be_decided_about_a_run_that_was_interrupted() {
    let world = World::usual();
    let mut first = held(&world);
    assert!(world.ends(0, &["resume", "db"]).contains("is under way"));
    first.kill().unwrap();
    first.wait().unwrap();
    go(&world);
    // Its script had it still.
    let lock = fs::File::open(world.state_dir.join("locks/db.lock")).unwrap();
    lock.lock().unwrap();
    drop(lock);
    insta::assert_snapshot!("resume_interrupted", world.seen(&["resume", "db"]));
    world.ends(0, &["migrate", "3"]);
    assert_eq!(world.log("db"), once());
    insta::assert_snapshot!("resume_after", world.seen(&["resume", "db", "--restore"]));
}

#[test]
fn who_waits_can_be_told_to_end() {
    let world = World::usual();
    let first = held(&world);
    let second = waiting(&world);
    let pid = rustix::process::Pid::from_child(&second);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let output = second.wait_with_output().unwrap();
    assert!(!output.status.success(), "{}", said(&output));
    go(&world);
    ends(first, 0);
    assert_eq!(world.log("db"), once());
}

/// Ctrl-C at the question whether a step is accepted, with nothing typed after it.
#[test]
fn who_is_asked_can_end_it() {
    if Command::new("script").arg("--version").output().is_err() {
        assert!(
            std::env::var_os("CI").is_none(),
            "with CI set no test is skipped: script is not in PATH"
        );
        return println!("skipped: script is not in PATH");
    }
    let world = World::of(&[Kind::Plain, Kind::Lossy]);
    world.arrive(2, "1");
    let before = world.record();
    let command = world.command(&["migrate", "3"]);
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_str().unwrap()).collect();
    let typed = world.path("typed");
    let mut terminal = Command::new("script");
    terminal
        .args(["--quiet", "--flush", "--return", "--command", &words.join(" ")])
        .arg(&typed)
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    let mut terminal = terminal.spawn().unwrap();
    let mut keys = terminal.stdin.take().unwrap();
    let shown = || fs::read_to_string(&typed).unwrap_or_default();
    wait("it asks", || shown().contains("Type the name of the service"));
    keys.write_all(b"d\x03").unwrap();
    keys.flush().unwrap();
    let status = terminal.wait().unwrap();
    assert_eq!(status.code(), Some(128 + 2), "{}", shown());
    assert_eq!(world.log("db"), format!("data {} ", V[0]));
    assert!(before == world.record(), "{}", shown());
}

/// `db` requires `redis`; both go by two steps.
fn two() -> World {
    let world = World::new();
    for head in 0..=2 {
        let db = Service::new("db", head).key("X-Migration-Requires=redis.service");
        world.generation(head + 1, &[db, Service::new("redis", head)]);
    }
    for service in ["db", "redis"] {
        world.data(service);
    }
    let order = world.path("order").display().to_string();
    for version in &V[..2] {
        for direction in ["up", "down"] {
            let words = format!("echo $MIGRATION_SERVICE {direction} >> {order}\n");
            world.at(&format!("{direction}-{version}-script"), &words);
        }
    }
    world
}

fn order(world: &World) -> Vec<String> {
    let order = fs::read_to_string(world.path("order")).unwrap_or_default();
    let _ = fs::remove_file(world.path("order"));
    order.lines().map(str::to_owned).collect()
}

#[test]
fn what_is_required_goes_up_first_and_down_last() {
    let world = two();
    world.arrive(3, "1");
    assert_eq!(order(&world), ["redis up", "redis up", "db up", "db up"]);
    world.ends(0, &["migrate", "2"]);
    assert_eq!(order(&world), ["db down", "redis down"]);
    // One by itself, where that is asked for.
    world.ends(0, &["migrate", "3", "--service", "redis"]);
    assert_eq!(order(&world), ["redis up"]);
    assert_eq!(
        (world.applied("db"), world.applied("redis")),
        (V[0].to_owned(), V[..2].join(" "))
    );
}

#[test]
fn what_requires_a_service_that_fails_is_left_alone() {
    let world = two();
    world.arrive(2, "1");
    order(&world);
    world.at("up-2024-02-01-script", "[ $MIGRATION_SERVICE != redis ]\n");
    insta::assert_snapshot!("required_fails", world.seen(&["migrate", "3"]));
    assert_eq!(
        (world.log("db"), world.log("redis")),
        (format!("data {} ", V[0]), format!("data {} ", V[0]))
    );
    // Refused now, which is no better.
    world.calm();
    insta::assert_snapshot!("required_is_refused", world.seen(&["migrate", "3"]));
    assert_eq!(world.log("db"), format!("data {} ", V[0]));
    world.ends(0, &["resume", "redis", "--retry"]);
    world.ends(0, &["migrate", "3"]);
    assert_eq!((world.log("db"), world.log("redis")), (once(), once()));
    // On the way down it is the other way round.
    world.at("down-2024-02-01-script", "[ $MIGRATION_SERVICE != db ]\n");
    let said = world.ends(5, &["migrate", "2"]);
    assert_eq!((world.log("db"), world.log("redis")), (once(), once()), "{said}");
}
