//! Owns one connection to systemd: peer to peer with PID 1 where that is to be had, else by the system bus. Calls go out one at a
//! time; what comes in between is kept or forgotten. Knows no unit.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::message::{Call, HEAD, Message, length};
use super::value::{Malformed, Value};

/// Where PID 1 answers root without a bus.
const PRIVATE: &str = "/run/systemd/private";

/// Where the system's bus answers everybody.
const BUS: &str = "/run/dbus/system_bus_socket";

/// Who systemd is on the bus.
const SYSTEMD: &str = "org.freedesktop.systemd1";

const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";

/// How long an answer is waited for. PID 1 answers nobody while it reads its units again, which takes seconds on large machines.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many signals are kept for whoever looks at them later.
const SIGNALS_KEPT: usize = 256;

/// A call was not answered as it should be.
#[derive(Debug)]
pub(super) enum CallError {
    /// The connection is gone, or never was: whether it was heard is not known.
    Lost(io::Error),
    /// It says no.
    Refused { name: String, message: String },
}

impl From<io::Error> for CallError {
    fn from(error: io::Error) -> Self {
        Self::Lost(error)
    }
}

/// A job of systemd that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JobEnded {
    pub(super) unit: String,
    /// `done`, `failed`, `dependency`, `canceled` …
    pub(super) result: String,
}

/// A connection that has been let in.
#[derive(Debug)]
pub(super) struct Connection {
    stream: UnixStream,
    serial: u32,
    destination: Option<&'static str>,
    ended: Vec<JobEnded>,
}

impl Connection {
    /// Connects, and asks to be told of jobs.
    ///
    /// # Errors
    ///
    /// Fails where nobody answers.
    pub(super) fn open() -> io::Result<Self> {
        if let Ok(connection) = Self::to(Path::new(PRIVATE), None) {
            return Ok(connection);
        }
        let mut connection = Self::to(Path::new(BUS), Some(SYSTEMD))?;
        let rule = "type='signal',sender='org.freedesktop.systemd1',interface='org.freedesktop.systemd1.Manager',member='JobRemoved'";
        let calls = [
            ("Hello", vec![]),
            ("AddMatch", vec![Value::Text(rule.to_owned())]),
        ];
        for (member, arguments) in calls {
            connection
                .call_on_bus(member, &arguments)
                .map_err(CallError::into_io)?;
        }
        connection.manager("Subscribe", &[]).map_err(CallError::into_io)?;
        Ok(connection)
    }

    fn to(path: &Path, destination: Option<&'static str>) -> io::Result<Self> {
        let mut stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        // "Authentication Protocol" of the specification: the kernel tells who it is, and the name is said in hexadecimal digits.
        let uid = rustix::process::geteuid().as_raw().to_string();
        let name: String = uid.bytes().map(|byte| format!("{byte:02x}")).collect();
        // All at once, as sd-bus does it: to a BEGIN on its own PID 1 never listens.
        let hello = format!("\0AUTH EXTERNAL {name}\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n");
        stream.write_all(hello.as_bytes())?;
        let answer = line(&mut stream)?;
        if !answer.starts_with("OK ") {
            let words = format!("{} does not let this user in", path.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, words));
        }
        // Whether it would take descriptors is of no matter: none is sent.
        line(&mut stream)?;
        Ok(Self {
            stream,
            serial: 0,
            destination,
            ended: Vec::new(),
        })
    }

    /// Asks systemd's manager.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    pub(super) fn manager(&mut self, member: &str, arguments: &[Value]) -> Result<Vec<Value>, CallError> {
        self.call(&Call {
            destination: self.destination,
            path: MANAGER_PATH,
            interface: MANAGER,
            member,
            arguments,
        })
    }

    /// Asks for the properties of an object: all of an interface.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    pub(super) fn properties(&mut self, path: &str, interface: &str) -> Result<Vec<Value>, CallError> {
        self.call(&Call {
            destination: self.destination,
            path,
            interface: "org.freedesktop.DBus.Properties",
            member: "GetAll",
            arguments: &[Value::Text(interface.to_owned())],
        })
    }

    fn call_on_bus(&mut self, member: &str, arguments: &[Value]) -> Result<Vec<Value>, CallError> {
        self.call(&Call {
            destination: Some("org.freedesktop.DBus"),
            path: "/org/freedesktop/DBus",
            interface: "org.freedesktop.DBus",
            member,
            arguments,
        })
    }

    fn call(&mut self, call: &Call<'_>) -> Result<Vec<Value>, CallError> {
        self.serial += 1;
        let serial = self.serial;
        self.stream.write_all(&call.bytes(serial))?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.receive()? {
                Message::Return { to, values } if to == serial => return Ok(values),
                Message::Error { to, name, message } if to == serial => {
                    return Err(CallError::Refused { name, message });
                }
                other => self.keep(other),
            }
            if Instant::now() > deadline {
                return Err(io::Error::from(io::ErrorKind::TimedOut).into());
            }
        }
    }

    fn receive(&mut self) -> io::Result<Message> {
        let malformed = |Malformed| io::Error::new(io::ErrorKind::InvalidData, "its message is malformed");
        let mut bytes = vec![0; HEAD];
        self.stream.read_exact(&mut bytes)?;
        let whole = length(&bytes).map_err(malformed)?;
        bytes.resize(whole, 0);
        self.stream.read_exact(&mut bytes[HEAD..])?;
        Message::read(&bytes).map_err(malformed)
    }

    fn keep(&mut self, message: Message) {
        let Message::Signal { member, values } = message else {
            return;
        };
        // JobRemoved(u id, o job, s unit, s result): org.freedesktop.systemd1(5).
        let [_, _, Value::Text(unit), Value::Text(result)] = values.as_slice() else {
            return;
        };
        if member == "JobRemoved" && self.ended.len() < SIGNALS_KEPT {
            self.ended.push(JobEnded {
                unit: unit.clone(),
                result: result.clone(),
            });
        }
    }

    /// The jobs that ended, those told first that were so before; waits for the first one for no longer than that.
    ///
    /// # Errors
    ///
    /// Fails where the connection is gone.
    pub(super) fn jobs_ended(&mut self, longest: Duration) -> io::Result<Vec<JobEnded>> {
        let deadline = Instant::now() + longest;
        while self.ended.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut fds = [PollFd::new(&self.stream, PollFlags::IN)];
            let timeout = Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            };
            match poll(&mut fds, Some(&timeout)) {
                Ok(0) => break,
                Ok(_) => {
                    let message = self.receive()?;
                    self.keep(message);
                }
                Err(rustix::io::Errno::INTR) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(std::mem::take(&mut self.ended))
    }
}

impl CallError {
    fn into_io(self) -> io::Error {
        match self {
            Self::Lost(error) => error,
            Self::Refused { message, .. } => io::Error::other(message),
        }
    }
}

/// A line of the talk before the first message. Not a byte more is read.
fn line(stream: &mut UnixStream) -> io::Result<String> {
    const LONGEST: usize = 4096;
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\r\n") {
        if line.len() > LONGEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        stream.read_exact(&mut byte)?;
        line.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}
