//! Owns what is written to the journal about units other than the one that runs: who asks for the status of a unit that is kept
//! from starting learns there why, and what to type.

use std::os::unix::net::UnixDatagram;

use nixmig::report::escape;

/// Where systemd's journal listens (systemd.io/JOURNAL_NATIVE_PROTOCOL).
const SOCKET: &str = "/run/systemd/journal/socket";

/// Writes a line about units, which `journalctl -u` and `systemctl status` show beside their own: they believe root of which unit
/// a message is. Where there is no journal, nobody asks it.
pub(super) fn about(units: &[String], line: &str) {
    let Ok(socket) = UnixDatagram::unbound() else {
        return;
    };
    for unit in units {
        // A line feed would begin another field.
        let line = escape(line).replace('\n', " ");
        let message =
            format!("MESSAGE={line}\nPRIORITY=3\nSYSLOG_IDENTIFIER=nixmig\nOBJECT_SYSTEMD_UNIT={unit}\n");
        drop(socket.send_to(message.as_bytes(), SOCKET));
    }
}
