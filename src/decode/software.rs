//! libavcodec as a decoder.

use super::{Decode, Event};
use crate::av::{Decoder, Delivered, Frame, Packet, Purpose, Sent, StreamInfo};
use crate::error::{Error, Result};

pub struct Software {
    decoder: Decoder,
    stream: StreamInfo,
    threads: usize,
    purpose: Purpose,
    /// The configuration that the decoder was given last; 0 is the stream's header alone.
    configuration: u32,
    /// The unit given last, to which damage without a picture is ascribed.
    latest: u32,
    refused: bool,
}

impl Software {
    /// # Errors
    /// As [`Decoder::open`].
    pub fn open(stream: &StreamInfo, threads: usize, purpose: Purpose) -> Result<Self> {
        Ok(Software {
            decoder: Decoder::open(stream, threads, purpose)?,
            stream: stream.with(None, 0)?,
            threads,
            purpose,
            configuration: 0,
            latest: 0,
            refused: false,
        })
    }

    /// Receives all that is ready; false once everything was delivered.
    fn receive(&mut self, out: &mut dyn FnMut(Event<Frame>) -> Result<()>) -> Result<bool> {
        loop {
            let mut frame = Frame::empty();
            match self.decoder.receive(&mut frame) {
                Delivered::Frame => {
                    let tag = frame.tag().and_then(|tag| u32::try_from(tag).ok());
                    let damaged = frame.damaged();
                    self.refused |= damaged;
                    out(Event::Picture {
                        unit: tag.unwrap_or(self.latest),
                        picture: frame,
                        damaged,
                    })?;
                }
                Delivered::Starved => return Ok(true),
                Delivered::Ended => return Ok(false),
                Delivered::Refused => self.refuse(out)?,
            }
        }
    }

    /// Sees to what the unit needs: a decoder that begins anew has learnt nothing from what another
    /// part of the stream said.
    fn configure(
        &mut self,
        packet: &mut Packet,
        out: &mut dyn FnMut(Event<Frame>) -> Result<()>,
    ) -> Result<()> {
        let Some(given) = packet.given().cloned() else {
            return Ok(());
        };
        let needs = &given.needs;
        if given.restarts {
            self.finish(out)?;
        }
        if std::mem::replace(&mut self.configuration, needs.id) == needs.id {
            return Ok(());
        }
        if given.restarts {
            let stream = self.stream.with(needs.header.as_deref(), needs.reorder)?;
            self.refused |= self.decoder.take_complaint();
            self.decoder = Decoder::open(&stream, self.threads, self.purpose)?;
        }
        packet.put_in_front(&needs.sets)
    }

    fn refuse(&mut self, out: &mut dyn FnMut(Event<Frame>) -> Result<()>) -> Result<()> {
        self.refused = true;
        out(Event::Refused { unit: self.latest })
    }
}

impl Decode for Software {
    type Picture = Frame;

    fn submit(
        &mut self,
        unit: u32,
        packet: &mut Packet,
        out: &mut dyn FnMut(Event<Frame>) -> Result<()>,
    ) -> Result<()> {
        self.configure(packet, out)?;
        self.latest = unit;
        loop {
            match self.decoder.send(packet, i64::from(unit)) {
                Sent::Taken => break,
                Sent::Refused => {
                    self.refuse(out)?;
                    break;
                }
                Sent::Full => {
                    if !self.receive(out)? {
                        return Err(Error::internal("the decoder ended before it was drained"));
                    }
                }
            }
        }
        self.receive(out)?;
        self.decoder.check_size()
    }

    fn finish(&mut self, out: &mut dyn FnMut(Event<Frame>) -> Result<()>) -> Result<()> {
        self.decoder.drain();
        // A drained decoder always comes to an end; should one starve instead, nothing more is held.
        self.receive(out)?;
        self.decoder.flush();
        self.decoder.check_size()
    }

    fn settle(&mut self) -> Result<bool> {
        Ok(false)
    }

    fn take_complaint(&mut self) -> bool {
        self.decoder.take_complaint() | std::mem::take(&mut self.refused)
    }
}
