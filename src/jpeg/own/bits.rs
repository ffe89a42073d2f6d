//! Huffman's codes of blocks, and the bits of a file on their way into it (ISO/IEC 10918-1, F.1.2).

use crate::jpeg::own::blocks::Pair;

/// The codes of one table, by symbol: of what is put for a coefficient of the symbol's size, the code
/// and room for the coefficient's own bits, from bit 5 on; the lowest five are the number of both.
#[derive(Debug, Clone)]
pub(super) struct Codes([u32; 256]);

impl Codes {
    /// From how many codes of each length there are, and whose they are (C.2).
    pub fn new(counts: &[u8; 16], symbols: &[u8]) -> Codes {
        let (mut codes, mut code, mut symbols) = ([0; 256], 0u32, symbols.iter());
        for (length, &count) in (1u32..).zip(counts) {
            for &symbol in symbols.by_ref().take(usize::from(count)) {
                let own = u32::from(symbol & 15);
                codes[usize::from(symbol)] = code << own << 5 | (length + own);
                code += 1;
            }
            code <<= 1;
        }
        Codes(codes)
    }
}

/// A table for direct and one for alternating coefficients.
#[derive(Debug, Clone)]
pub(super) struct Tables {
    pub direct: Codes,
    pub alternating: Codes,
}

/// Zeros before the next coefficient: sixteen at a time.
const SIXTEEN: usize = 0xf0;
const END_OF_BLOCK: usize = 0;

/// Places of zigzag order, row by row (figure 5).
pub(super) const ZIGZAG: [u8; 64] = zigzag();

const fn zigzag() -> [u8; 64] {
    let mut places = [0; 64];
    let (mut place, mut diagonal) = (0, 0);
    while diagonal < 15 {
        let mut step = 0;
        while step <= diagonal {
            // Up where the diagonal's number is even, down where it is odd.
            let (row, column) = if diagonal % 2 == 0 {
                (diagonal - step, step)
            } else {
                (step, diagonal - step)
            };
            if row < 8 && column < 8 {
                places[8 * row + column] = place;
                place += 1;
            }
            step += 1;
        }
        diagonal += 1;
    }
    places
}

/// Where coefficients of zigzag order lie in the first of two blocks beside each other.
const IN_PAIR: [u8; 64] = {
    let (mut places, mut at) = ([0; 64], 0);
    while at < 64 {
        places[ZIGZAG[at] as usize] = (at / 8 * 16 + at % 8) as u8;
        at += 1;
    }
    places
};

/// For each row, and each byte that marks some of its places: the marks in zigzag order.
static IN_ORDER: [[u64; 256]; 8] = {
    let mut marks = [[0; 256]; 8];
    let mut at = 0;
    while at < 64 {
        let mut byte = 0;
        while byte < 256 {
            if byte >> (at % 8) & 1 == 1 {
                marks[at / 8][byte] |= 1 << ZIGZAG[at];
            }
            byte += 1;
        }
        at += 1;
    }
    marks
};

/// The marks of a block in zigzag order, `bytes` the rows' marks, the first row lowest.
#[inline(always)]
pub(super) fn in_order(bytes: u64) -> u64 {
    let [a, b, c, d, e, f, g, h] = bytes.to_le_bytes().map(usize::from);
    let [m, n, o, p, q, r, s, t] = &IN_ORDER;
    (m[a] | n[b] | o[c] | p[d]) | (q[e] | r[f] | s[g] | t[h])
}

/// Sizes and own bits of coefficients from -1024 to 1023: the size in the lowest four bits (F.1.2.1,
/// tables F.1 and F.2; of negative ones the bits less one).
static OWN: [u16; 2048] = {
    let (mut own, mut at) = ([0; 2048], 0);
    while at < 2048 {
        own[at] = own_bits(at as i32 - 1024);
        at += 1;
    }
    own
};

/// As in [`OWN`], of numbers under 2048 in size.
const fn own_bits(value: i32) -> u16 {
    let size = 32 - value.unsigned_abs().leading_zeros();
    let bits = (value + (value >> 31)) as u32 & ((1 << size) - 1);
    (bits << 4 | size) as u16
}

/// Bits that do not fill eight bytes yet: of `held` the lowest, all but `free`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rest {
    held: u64,
    free: i32,
}

impl Rest {
    pub const NONE: Rest = Rest { held: 0, free: 64 };

    /// What is left at the end of a scan: bytes, and how many of them; ones fill the last (F.1.2.3).
    pub fn last(self) -> ([u8; 8], usize) {
        let count = 64 - self.free.unsigned_abs();
        let bits = u128::from(self.held) << 64 | u128::from(u64::MAX);
        let bytes = ((bits << self.free >> 64) as u64).to_be_bytes();
        (bytes, count.div_ceil(8) as usize)
    }
}

/// Where coded data is written, without the zeros behind each 0xff.
pub(super) struct Bits<'o> {
    pub out: &'o mut [u8],
    /// Where `out` is free. Behind its end once it was too short: nothing is written there.
    pub at: usize,
    pub rest: Rest,
}

impl Bits<'_> {
    /// Symbols one behind the other.
    #[target_feature(enable = "bmi1,bmi2,lzcnt")]
    #[inline]
    pub fn put(&mut self, symbols: &Symbols) {
        // Copies, which stay in registers.
        let Rest { mut held, mut free } = self.rest;
        let mut at = self.at;
        for symbol in &symbols.all[..symbols.count.min(MOST)] {
            let (bits, count) = (u64::from(symbol >> 5), symbol & 31);
            free -= count as i32;
            if free >= 0 {
                held = held << count | bits;
                continue;
            }
            let over = free.unsigned_abs();
            let full = held << (count - over) | bits >> over;
            if let Some(to) = self.out.get_mut(at..at + 8) {
                to.copy_from_slice(&full.to_be_bytes());
            }
            at += 8;
            // What is above the bits that are left is shifted out before it is written.
            held = bits;
            free += 64;
        }
        self.rest = Rest { held, free };
        self.at = at;
    }
}

/// Symbols of six blocks at most: 65 of each, and room for one that is written before it is counted.
const MOST: usize = 512;

/// Codes with coefficients' own bits, on their way to be put: bits from bit 5 on, and their number.
/// That they are all there before the first is put lets the processor find them ahead of its guesses
/// where words are full.
#[derive(Debug)]
pub(super) struct Symbols {
    all: [u32; MOST],
    count: usize,
}

impl Symbols {
    pub const NONE: Symbols = Symbols {
        all: [0; MOST],
        count: 0,
    };

    pub fn clear(&mut self) {
        self.count = 0;
    }

    #[inline(always)]
    fn push(&mut self, symbol: u32) {
        self.all[self.count % MOST] = symbol;
        self.count += 1;
    }

    /// A block: its direct coefficient's difference, and the rest of the one that begins at `first` of
    /// two beside each other, of which `marks` tells what is not 0, in zigzag order.
    #[target_feature(enable = "bmi1,bmi2,lzcnt")]
    #[inline]
    pub fn block(
        &mut self,
        difference: i32,
        (pair, first, marks): (&Pair, usize, u64),
        tables: &Tables,
    ) {
        self.push(tables.direct.with(0, own_bits(difference)));
        let codes = &tables.alternating;
        let mut marks = marks & !1;
        let mut before = 0;
        while marks != 0 {
            let place = marks.trailing_zeros();
            marks &= marks - 1;
            let mut zeros = place - before - 1;
            before = place;
            while zeros > 15 {
                zeros -= 16;
                self.push(codes.0[SIXTEEN]);
            }
            let at = first + usize::from(IN_PAIR[place as usize & 63]);
            let coefficient = pair.coefficients[at & 127] as u16;
            let own = OWN[usize::from(coefficient.wrapping_add(1024)) & 2047];
            self.push(codes.with(zeros, own));
        }
        if before != 63 {
            self.push(codes.0[END_OF_BLOCK]);
        }
    }

    /// A block that is not there: as the one before it, and flat.
    pub fn empty_block(&mut self, tables: &Tables) {
        self.push(tables.direct.0[0]);
        self.push(tables.alternating.0[END_OF_BLOCK]);
    }
}

impl Codes {
    /// The code for so many zeros and the coefficient's size, and the coefficient's own bits.
    #[inline(always)]
    fn with(&self, zeros: u32, own: u16) -> u32 {
        let own = u32::from(own);
        self.0[(zeros << 4 | own & 15) as usize & 255] | own >> 4 << 5
    }
}

/// Copies coded data to a place in `out`, a zero behind each 0xff (B.1.1.5), and tells where it ends:
/// behind `out` where that is too short.
pub(super) fn stuff(mut coded: &[u8], (out, mut at): (&mut [u8], usize)) -> usize {
    while !coded.is_empty() {
        let marker = memchr::memchr(0xff, coded);
        let (run, rest) = coded.split_at(marker.map_or(coded.len(), |marker| marker + 1));
        if let Some(to) = out.get_mut(at..at + run.len()) {
            to.copy_from_slice(run);
        }
        at += run.len();
        if marker.is_some() {
            if let Some(to) = out.get_mut(at) {
                *to = 0;
            }
            at += 1;
        }
        coded = rest;
    }
    at
}
