//! Compressed record batches. The work is libraries'; what is ours is Kafka's numbers for them and its framing of snappy.

use std::io::Read;

/// Bytes that one batch may hold once decompressed: a few bytes can claim to be as many as one likes.
const MAX: u64 = 1 << 30;
/// What Java's snappy stream begins with: a name, and two version numbers that say nothing of use.
const SNAPPY_STREAM: &[u8] = b"\x82SNAPPY\0";
const SNAPPY_STREAM_HEADER: usize = 16;

/// Puts what `body` holds into `into`, in place of what was there; `codec` is Kafka's number, not 0.
pub(super) fn decompress(codec: u16, body: &[u8], into: &mut Vec<u8>) -> Result<(), String> {
    into.clear();
    let done = match codec {
        1 => read(flate2::read::MultiGzDecoder::new(body), into),
        2 => snappy(body, into),
        3 => read(lz4_flex::frame::FrameDecoder::new(body), into),
        4 => zstd::Decoder::with_buffer(body).map_or_else(
            |error| Err(error.to_string()),
            |decoder| read(decoder, into),
        ),
        _ => return Err(format!("the unknown compression {codec}")),
    };
    let name = ["", "gzip", "snappy", "lz4", "zstd"]
        .get(usize::from(codec))
        .copied();
    done.map_err(|reason| {
        format!(
            "what {} cannot decompress: {reason}",
            name.unwrap_or_default()
        )
    })
}

fn read(decoder: impl Read, into: &mut Vec<u8>) -> Result<(), String> {
    let mut decoder = decoder.take(MAX + 1);
    decoder
        .read_to_end(into)
        .map_err(|error| error.to_string())?;
    fits(into.len() as u64)
}

fn fits(length: u64) -> Result<(), String> {
    if length <= MAX {
        return Ok(());
    }
    Err(format!("more than {MAX} bytes in one batch"))
}

/// One block, or Java's stream of blocks, each after its length.
fn snappy(body: &[u8], into: &mut Vec<u8>) -> Result<(), String> {
    if !body.starts_with(SNAPPY_STREAM) {
        return snappy_block(body, into);
    }
    let mut rest = body.get(SNAPPY_STREAM_HEADER..).unwrap_or_default();
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk().ok_or("a length is cut off")?;
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let (block, after) = after.split_at_checked(length).ok_or("a block is cut off")?;
        snappy_block(block, into)?;
        rest = after;
    }
    Ok(())
}

fn snappy_block(block: &[u8], into: &mut Vec<u8>) -> Result<(), String> {
    let length = snap::raw::decompress_len(block).map_err(|error| error.to_string())?;
    let start = into.len();
    fits((start as u64).saturating_add(length as u64))?;
    into.resize(start + length, 0);
    let room = into.get_mut(start..).unwrap_or_default();
    snap::raw::Decoder::new()
        .decompress(block, room)
        .map_err(|error| error.to_string())?;
    Ok(())
}
