//! What an access unit is to who decodes.

/// What a packet's bytes say of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitKind {
    /// Decoding can start here.
    pub cut: bool,
    /// The unit holds a picture that is shown.
    pub shown: bool,
    /// No other picture depends on it, if its temporal layer is the stream's highest.
    pub disposable: bool,
    /// HEVC TemporalId; 0 elsewhere.
    pub temporal_id: u8,
    /// A leading picture that a decoder starting at its cut point cannot make.
    pub skipped_leading: bool,
    /// Leading pictures of this cut point depend on what is before it.
    pub open: bool,
    /// The second field of the picture that the unit before began.
    pub second_field: bool,
    /// It shows several pictures, of which the last is the frame.
    pub layered: bool,
    /// It brings all parameter sets that are in force.
    pub complete: bool,
    /// Its NAL units stand otherwise than the stream's header says.
    pub reframed: bool,
    /// Its frames' headers are none, or it is too short for them, as far as that is read.
    pub unreadable: bool,
}

impl UnitKind {
    pub const fn plain(cut: bool) -> Self {
        UnitKind {
            cut,
            shown: true,
            disposable: false,
            temporal_id: 0,
            skipped_leading: false,
            open: false,
            second_field: false,
            layered: false,
            complete: false,
            reframed: false,
            unreadable: false,
        }
    }
}
