//! Descriptors to another process, beside a byte (SCM_RIGHTS, unix(7)).

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use crate::wire::Failure;

/// Of one message: a call, its memory, an init segment, a body.
const MAX_DESCRIPTORS: usize = 4;

/// Sends copies of them, together.
///
/// # Errors
/// [`Failure::HungUp`]; [`Failure::Stalled`] where the socket has a timeout, and the other side takes
/// nothing for so long.
pub fn send_descriptors(over: &UnixStream, descriptors: &[BorrowedFd<'_>]) -> Result<(), Failure> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fits = descriptors.len() <= MAX_DESCRIPTORS;
    if !fits || !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(Failure::Nonsense("too many descriptors".to_owned()));
    }
    let count = [descriptors.len() as u8];
    loop {
        let sent = sendmsg(
            over,
            &[IoSlice::new(&count)],
            &mut control,
            SendFlags::NOSIGNAL,
        );
        match sent {
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(std::io::Error::from(error).into()),
        }
    }
}

/// The descriptors of the next message, closed on exec; none once the other side hung up.
///
/// # Errors
/// [`Failure::Nonsense`] where others came than were announced: they are closed again.
pub fn receive_descriptors(over: &UnixStream) -> Result<Option<Vec<OwnedFd>>, Failure> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut count = [0];
    let received = loop {
        let mut into = [IoSliceMut::new(&mut count)];
        match recvmsg(over, &mut into, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other.map_err(std::io::Error::from)?,
        }
    };
    if received.bytes == 0 {
        return Ok(None);
    }
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(these) = message {
            descriptors.extend(these);
        }
    }
    let whole = !received.flags.contains(ReturnFlags::CTRUNC);
    if !whole || descriptors.len() != usize::from(count[0]) {
        return Err(Failure::Nonsense(format!(
            "descriptors are missing, announced={} came={}",
            count[0],
            descriptors.len()
        )));
    }
    Ok(Some(descriptors))
}
