//! Files of states: Arrow IPC, written once.

use std::{
    fmt,
    fs::File,
    io::{BufWriter, Write},
    path::Path,
    sync::Arc,
};

use arrow::{
    array::RecordBatch,
    datatypes::SchemaRef,
    error::ArrowError,
    ipc::{reader::FileReader, writer::FileWriter},
};
use datafusion::{
    error::DataFusionError,
    execution::{
        disk_manager::DiskManager,
        {SpillFile, SpillWriter},
    },
};

use crate::error::{PlanError, PlanErrorKind, Result};

/// Size of a file beyond which the next one is begun: a checkpoint holds one in memory while it copies it.
const FILE_BYTES: usize = 16 << 20;

/// States on disk. The file goes with the last that holds it.
pub struct StateFile {
    file: Arc<dyn SpillFile>,
    /// Which part of the groups each batch is of.
    parts: Vec<usize>,
    bytes: u64,
}

impl fmt::Debug for StateFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateFile")
            .field("path", &self.file.path())
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl StateFile {
    /// A file with these bytes, which were those of one before.
    pub(crate) fn of(disk: &Arc<DiskManager>, content: &[u8]) -> Result<Self> {
        let file = disk.create_tmp_file("restoring state").map_err(refused)?;
        let mut writer = file.open_writer().map_err(refused)?;
        writer.write_all(content).map_err(|error| failed(&error))?;
        writer.flush().map_err(|error| failed(&error))?;
        writer.finish().map_err(refused)?;
        Ok(Self {
            file,
            parts: Vec::new(),
            bytes: content.len() as u64,
        })
    }

    /// Its content, for a checkpoint.
    pub fn content(&self) -> Result<Vec<u8>> {
        std::fs::read(self.path()?).map_err(|error| failed(&error))
    }

    /// Bytes on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(in crate::state) fn path(&self) -> Result<&Path> {
        let path = self.file.path();
        path.ok_or_else(|| PlanError::internal("state went to something that is no file"))
    }

    fn open(&self, columns: Option<Vec<usize>>) -> Result<FileReader<File>> {
        let file = File::open(self.path()?).map_err(|error| failed(&error))?;
        FileReader::try_new(file, columns).map_err(broken)
    }

    /// How many batches were written.
    pub(in crate::state) fn batches(&self) -> usize {
        self.parts.len()
    }

    /// Some columns of one batch.
    pub(in crate::state) fn batch(&self, index: usize, columns: Vec<usize>) -> Result<RecordBatch> {
        at(&mut self.open(Some(columns))?, index)
    }

    /// Every batch.
    pub(in crate::state) fn read(
        &self,
    ) -> Result<impl Iterator<Item = Result<RecordBatch>> + use<>> {
        Ok(self.open(None)?.map(|batch| batch.map_err(broken)))
    }

    /// The batches of one part, in order.
    pub(super) fn read_part(
        &self,
        part: usize,
    ) -> Result<impl Iterator<Item = Result<RecordBatch>>> {
        let mut wanted = self
            .parts
            .iter()
            .enumerate()
            .filter_map(move |(index, of)| (*of == part).then_some(index))
            .peekable();
        // Opening reads the footer, which is not nothing.
        let mut reader = match wanted.peek() {
            Some(_) => Some(self.open(None)?),
            None => None,
        };
        Ok(wanted.filter_map(move |index| Some(at(reader.as_mut()?, index))))
    }
}

/// One batch.
fn at(reader: &mut FileReader<File>, index: usize) -> Result<RecordBatch> {
    let batch = reader.set_index(index).and_then(|()| match reader.next() {
        Some(batch) => batch,
        None => Err(ArrowError::IpcError("a batch is missing".to_owned())),
    });
    batch.map_err(broken)
}

type Sink = BufWriter<Box<dyn SpillWriter>>;

/// A file that is being written.
struct Open {
    file: Arc<dyn SpillFile>,
    writer: FileWriter<Sink>,
    parts: Vec<usize>,
    bytes: usize,
}

/// Writes states to files.
pub(in crate::state) struct StateWriter<'a> {
    disk: &'a Arc<DiskManager>,
    schema: &'a SchemaRef,
    open: Option<Open>,
    done: Vec<Arc<StateFile>>,
}

impl<'a> StateWriter<'a> {
    pub(in crate::state) fn new(disk: &'a Arc<DiskManager>, schema: &'a SchemaRef) -> Self {
        Self {
            disk,
            schema,
            open: None,
            done: Vec::new(),
        }
    }

    /// Writes states of one part.
    pub(in crate::state) fn write(&mut self, part: usize, states: &RecordBatch) -> Result<()> {
        let open = match &mut self.open {
            Some(open) => open,
            None => {
                let file = self.disk.create_tmp_file("putting state on disk");
                let file = file.map_err(refused)?;
                let sink = BufWriter::new(file.open_writer().map_err(refused)?);
                let writer = FileWriter::try_new(sink, self.schema).map_err(broken)?;
                self.open.insert(Open {
                    file,
                    writer,
                    parts: Vec::new(),
                    bytes: 0,
                })
            }
        };
        open.writer.write(states).map_err(broken)?;
        open.parts.push(part);
        open.bytes += states.get_array_memory_size();
        if open.bytes >= FILE_BYTES {
            self.close()?;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        let Some(Open {
            file,
            writer,
            parts,
            ..
        }) = self.open.take()
        else {
            return Ok(());
        };
        let sink = writer.into_inner().map_err(broken)?;
        let mut sink = sink.into_inner().map_err(|error| failed(error.error()))?;
        sink.flush().map_err(|error| failed(&error))?;
        sink.finish().map_err(refused)?;
        let bytes = file.size().unwrap_or_default();
        self.done.push(Arc::new(StateFile { file, parts, bytes }));
        Ok(())
    }

    /// The files.
    pub(in crate::state) fn finish(mut self) -> Result<Vec<Arc<StateFile>>> {
        self.close()?;
        Ok(self.done)
    }
}

fn broken(error: ArrowError) -> PlanError {
    match error {
        ArrowError::IoError(_, error) => failed(&error),
        other => PlanError::internal(format!("state on disk: {other}")),
    }
}

/// The engine's disk manager does not give a file, or does not take it back.
fn refused(error: DataFusionError) -> PlanError {
    match error {
        DataFusionError::IoError(error) => failed(&error),
        DataFusionError::Context(_, inner) => refused(*inner),
        other => PlanError::from(other),
    }
}

/// The scratch folder does not take or give what it should: from outside, and tried again.
fn failed(error: &std::io::Error) -> PlanError {
    PlanError::new(
        PlanErrorKind::Scratch,
        format!("state cannot be kept in the scratch folder: {error}"),
    )
    .hint("make room there, or give the query more memory (state_memory)")
}
