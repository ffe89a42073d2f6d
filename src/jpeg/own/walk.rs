//! The order of blocks in a scan (ISO/IEC 10918-1, A.2), and what stands in for those that reach
//! over the picture's edge: their samples are its last ones; blocks that lie outside as a whole are
//! as the one before them, and flat.

use crate::jpeg::own::bits::{Bits, Symbols, in_order};
use crate::jpeg::own::blocks::{Pair, neighbours, of_planes};
use crate::jpeg::own::{Kind, State};
use crate::media::picture::JfifView;

pub(super) fn is_able() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
}

/// A strip of a picture. Its height is a multiple of 16, or nothing is behind it.
pub(super) struct Walk<'w> {
    pub kind: &'w Kind,
    pub strip: JfifView<'w>,
    pub gray: bool,
}

impl Walk<'_> {
    /// Codes sixteen rows of the strip, of a gray one eight, from row `first` on, and tells the length.
    pub fn run(&self, first: usize, state: &mut State, out: &mut [u8]) -> usize {
        let (at, rest) = (0, state.rest);
        let mut scan = Scan {
            bits: Bits { out, at, rest },
            direct: state.direct,
            kind: self.kind,
            pairs: [const { Pair::EMPTY }; 3],
            symbols: Symbols::NONE,
        };
        if is_able() {
            // SAFETY: the processor has the instructions, says the line above.
            unsafe { self.code(first, &mut scan) };
        }
        state.rest = scan.bits.rest;
        state.direct = scan.direct;
        scan.bits.at
    }

    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    fn code(&self, first: usize, scan: &mut Scan) {
        if self.gray {
            self.gray_row(first, scan);
        } else {
            self.row(first, scan);
        }
    }

    /// Sixteen rows of a 4:2:0 picture.
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    fn row(&self, first: usize, scan: &mut Scan) {
        let JfifView { width, height, .. } = self.strip;
        let half = (width.div_ceil(2), height.div_ceil(2));
        let upper = lines(self.strip.y, (width, height), first);
        let lower = lines(self.strip.y, (width, height), first + 8);
        let cb = lines(self.strip.cb, half, first / 2);
        let cr = lines(self.strip.cr, half, first / 2);
        let unit = Unit {
            luma: [sixteens(upper), sixteens(lower)],
            chroma: [eights(cb), eights(cr)],
            right: true,
            below: first + 8 < height,
        };
        for at in 0..width / 16 {
            scan.unit(&unit, at);
        }
        if !width.is_multiple_of(16) {
            let luma = [continued::<16>(upper, width), continued::<16>(lower, width)];
            let chroma = [continued::<8>(cb, half.0), continued::<8>(cr, half.0)];
            let unit = Unit {
                luma: luma.each_ref().map(each_alone),
                chroma: chroma.each_ref().map(each_alone),
                right: width % 16 > 8,
                ..unit
            };
            scan.unit(&unit, 0);
        }
    }

    /// Eight rows of a gray picture.
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    fn gray_row(&self, first: usize, scan: &mut Scan) {
        let JfifView {
            width, height, y, ..
        } = self.strip;
        let rows = lines(y, (width, height), first);
        let whole = sixteens(rows);
        for at in 0..width / 16 {
            scan.gray(whole, at, 2);
        }
        if !width.is_multiple_of(16) {
            let rows = continued::<16>(rows, width);
            scan.gray(each_alone(&rows), 0, if width % 16 > 8 { 2 } else { 1 });
        }
    }
}

type Lines<'p> = [&'p [u8]; 8];
type In<'p, const N: usize> = [&'p [[u8; N]]; 8];

/// Eight rows of a plane, from `first` on; its last one again below it.
fn lines(plane: &[u8], (width, height): (usize, usize), first: usize) -> Lines<'_> {
    std::array::from_fn(|n| &plane[(first + n).min(height - 1) * width..][..width])
}

fn sixteens(rows: Lines) -> In<16> {
    rows.map(|row| row.as_chunks().0)
}

fn eights(rows: Lines) -> In<8> {
    rows.map(|row| row.as_chunks().0)
}

fn each_alone<const N: usize>(rows: &[[u8; N]; 8]) -> In<'_, N> {
    rows.each_ref().map(std::slice::from_ref)
}

/// What is behind the last whole `N` samples, continued by the last one. (Where there is nothing, none of it counts.)
fn continued<const N: usize>(rows: Lines, width: usize) -> [[u8; N]; 8] {
    let from = (width - 1) / N * N;
    rows.map(|row| std::array::from_fn(|x| row[(from + x).min(width - 1)]))
}

/// The rows that sixteen columns' blocks are taken from.
#[derive(Clone, Copy)]
struct Unit<'p> {
    luma: [In<'p, 16>; 2],
    chroma: [In<'p, 8>; 2],
    /// Whether luma's second column of blocks, and its second row, are in the picture.
    right: bool,
    below: bool,
}

/// A block of those that were made last: its component, in which pair it is, and where it begins.
#[derive(Clone, Copy)]
struct Place {
    component: usize,
    pair: usize,
    first: usize,
}

/// The order of blocks of 4:2:0 (A.2.3).
const ORDER: [Place; 6] = [
    Place::new(0, 0, 0),
    Place::new(0, 0, 8),
    Place::new(0, 1, 0),
    Place::new(0, 1, 8),
    Place::new(1, 2, 0),
    Place::new(2, 2, 8),
];

impl Place {
    const fn new(component: usize, pair: usize, first: usize) -> Place {
        Place {
            component,
            pair,
            first,
        }
    }
}

/// Coded data in the making.
struct Scan<'w, 'o> {
    bits: Bits<'o>,
    direct: [i32; 3],
    kind: &'w Kind,
    /// The blocks that were made last.
    pairs: [Pair; 3],
    symbols: Symbols,
}

impl Scan<'_, '_> {
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    #[inline]
    fn unit(&mut self, unit: &Unit, at: usize) {
        let [luma, chroma, _] = &self.kind.quantisers;
        let [upper, lower, of_chroma] = &mut self.pairs;
        neighbours(unit.luma[0], at, luma, upper);
        if unit.below {
            neighbours(unit.luma[1], at, luma, lower);
        }
        of_planes(unit.chroma, at, chroma, of_chroma);
        let Unit { right, below, .. } = *unit;
        self.blocks(&ORDER, [true, right, below, below && right, true, true]);
    }

    /// Two blocks of a gray picture, or the last one: there nothing stands in for the second.
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    #[inline]
    fn gray(&mut self, rows: In<16>, at: usize, count: usize) {
        neighbours(rows, at, &self.kind.quantisers[0], &mut self.pairs[0]);
        self.blocks(&ORDER[..count], [true; 6]);
    }

    /// Codes blocks: where one is not in the picture, one as that before it, and flat.
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    fn blocks(&mut self, order: &[Place], there: [bool; 6]) {
        let mut marks = [0; 6];
        for (marks, place) in marks.iter_mut().zip(order) {
            *marks = in_order(self.pairs[place.pair].marks_at(place.first));
        }
        self.symbols.clear();
        for (place, (marks, there)) in order.iter().zip(marks.into_iter().zip(there)) {
            let tables = &self.kind.head.tables[usize::from(place.component > 0)];
            if !there {
                self.symbols.empty_block(tables);
                continue;
            }
            let pair = &self.pairs[place.pair];
            let direct = i32::from(pair.coefficients[place.first]);
            let difference = direct - self.direct[place.component];
            self.direct[place.component] = direct;
            let block = (pair, place.first, marks);
            self.symbols.block(difference, block, tables);
        }
        self.bits.put(&self.symbols);
    }
}
