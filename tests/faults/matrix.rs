//! Owns the walk over the matrix on each kind of file system.

use std::cell::RefCell;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::cases::{self, Case};
use crate::disks::{Disks, WrittenBack};
use crate::images::{Fs, apart};
use crate::world::{VERSIONS, World};

#[test]
fn faults_on_ext4() {
    apart("matrix::faults_on_ext4", || faults(Fs::Ext4));
}

#[test]
fn faults_on_xfs() {
    apart("matrix::faults_on_xfs", || faults(Fs::Xfs));
}

#[test]
fn faults_on_btrfs() {
    apart("matrix::faults_on_btrfs", || faults(Fs::Btrfs));
}

#[test]
fn power_losses_on_ext4() {
    apart("matrix::power_losses_on_ext4", || power_losses(Fs::Ext4));
}

#[test]
fn power_losses_on_xfs() {
    apart("matrix::power_losses_on_xfs", || power_losses(Fs::Xfs));
}

#[test]
fn power_losses_on_btrfs() {
    apart("matrix::power_losses_on_btrfs", || power_losses(Fs::Btrfs));
}

/// Brings the state of a fresh world to a version, as a machine would have come there.
fn begin(world: &World, on: usize) {
    world.has_unaware(false);
    std::fs::create_dir_all(world.app()).unwrap();
    // Nothing is there: what is stamped is the head of the first generation.
    let fresh = world.migrates(1);
    assert_eq!(fresh.code, Some(0), "first contact:\n{}", fresh.said);
    world.write_state(1);
    if on > 1 {
        let up = world.migrates(on);
        assert_eq!(up.code, Some(0), "on the way to {on}:\n{}", up.said);
    }
    assert_eq!((world.state_is_on(), world.applied()), (Ok(on), on));
    // From here on every run has to be guarded.
    world.has_unaware(true);
}

fn faults(fs: Fs) {
    let base = tempfile::tempdir().unwrap();
    let (_disks, world) = Disks::make(base.path(), fs);
    let kept = |on: usize| base.path().join(format!("kept-{on}"));
    for on in 1..=VERSIONS.len() {
        begin_anew(&world);
        begin(&world, on);
        for (from, name) in [(&world.state, "state"), (&world.record, "record")] {
            copy(from, &kept(on).join(name));
        }
    }
    let mut failures = Vec::new();
    let cases = selected(cases::all());
    let begun = Instant::now();
    for case in &cases {
        begin_anew(&world);
        for (to, name) in [(&world.state, "state"), (&world.record, "record")] {
            copy(&kept(case.from).join(name), to);
        }
        let result = cases::inject(&world, case, &|_| {}).and_then(|()| cases::check(&world, case));
        failures.extend(result.err().map(|error| (case, error)));
    }
    report("faults", fs, cases.len(), begun, &failures);
}

fn power_losses(fs: Fs) {
    let base = tempfile::tempdir().unwrap();
    let (disks, world) = Disks::make(base.path(), fs);
    let kept: Vec<_> = (1..=VERSIONS.len())
        .map(|on| {
            begin_anew(&world);
            begin(&world, on);
            disks.keep()
        })
        .collect();
    let lose = |case: &Case, written: WrittenBack| {
        disks.insert(&kept[case.from - 1]);
        world.calm();
        let cut = RefCell::new(None);
        let happened = cases::inject(&world, case, &|_| {
            *cut.borrow_mut() = Some(disks.cut_after(written));
        });
        if let Some(cut) = cut.into_inner() {
            disks.insert_last(cut);
        }
        happened.and_then(|()| cases::check(&world, case))
    };
    let cases = selected(cases::power_losses());
    let begun = Instant::now();
    // Each case with one of three lucks, in turn.
    let lucks = || WrittenBack::ALL.into_iter().cycle();
    let failures: Vec<_> = cases
        .iter()
        .zip(lucks())
        .filter_map(|(case, written)| Some((case, lose(case, written).err()?)))
        .collect();
    report("power losses", fs, cases.len(), begun, &failures);
    // A suite that passes without the flushes would prove nothing.
    world.without_flushes(true);
    let unlucky = [WrittenBack::Record, WrittenBack::State];
    let mut all = unlucky
        .into_iter()
        .flat_map(|written| cases.iter().map(move |case| (case, written)));
    match all.find_map(|(case, written)| Some((case, written, lose(case, written).err()?))) {
        Some((case, written, error)) => {
            let error = error.lines().next().unwrap_or_default();
            println!("without flushes it shows on {fs:?}: {case}, {written:?} written back: {error}");
        }
        None => panic!("without flushes nothing was lost on {fs:?}: the suite proves nothing"),
    }
}

/// Those cases whose words have `$NIXMIG_CASE` in them; all without.
fn selected(mut cases: Vec<Case>) -> Vec<Case> {
    if let Ok(words) = std::env::var("NIXMIG_CASE") {
        cases.retain(|case| case.to_string().contains(&words));
    }
    cases
}

fn begin_anew(world: &World) {
    world.calm();
    for place in [&world.state, &world.record] {
        for entry in std::fs::read_dir(place).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("lost+found") {
                std::fs::remove_dir_all(path).unwrap();
            }
        }
    }
    std::fs::create_dir_all(world.record.join("gcroots")).unwrap();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    let status = Command::new("cp")
        .args(["-a", "--"])
        .arg(from.join("."))
        .arg(to)
        .status()
        .unwrap();
    assert!(status.success());
}

fn report(what: &str, fs: Fs, count: usize, begun: Instant, failures: &[(&Case, String)]) {
    let took = begun.elapsed().as_secs_f64();
    let lost = failures.len();
    println!("{count} {what} on {fs:?}, {lost} of them lost, in {took:.1} s");
    for (case, error) in failures.iter().take(10) {
        println!("--- {case}\n{error}\n");
    }
    assert!(failures.is_empty(), "{lost} of {count} {what} on {fs:?}");
}
