//! All rows of a table written anew under other column names, in the one commit that names them so: earlier versions keep theirs.

use arrow::array::RecordBatch;
use serde_json::{Value, json};
use sluice_connectors::{
    delta::{Change, DataFile, DeltaSink, FileRows, TableFile, TableSpec},
    failpoint,
};

use super::{
    Target,
    append::forget,
    change::{ATTEMPTS, ROUND_BYTES, Written, open, outpaced, stretches},
    commit_error,
};
use crate::{
    error::{Error, Result},
    root::storage_error,
};

/// Gives the table the definition that `named` makes of its own, which differs in the names of columns alone; the definition. The caller holds
/// the table's queue.
pub(crate) async fn rename_columns(
    target: &Target,
    parameters: &Value,
    named: impl Fn(&TableSpec) -> Result<TableSpec> + Sync,
) -> Result<TableSpec> {
    for _ in 0..ATTEMPTS {
        let (snapshot, mut sink) = open(target).await?;
        let spec = named(sink.spec())?;
        let files = snapshot.changeable_files().map_err(storage_error)?;
        let removed = files.len();
        let numbered: Vec<(i64, TableFile)> = (0..).zip(files).collect();
        let mut written = Written {
            target: target.clone(),
            files: Vec::new(),
        };
        for stretch in stretches(&numbered) {
            let rows = FileRows::new(&snapshot, stretch.to_vec());
            copy(&sink, &spec, &rows, stretch, &mut written).await?;
        }
        let files = std::mem::take(&mut written.files);
        let change = Change {
            operation: "RENAME COLUMN",
            parameters: parameters.clone(),
            metrics: json!({
                "numRemovedFiles": removed.to_string(),
                "numAddedFiles": files.len().to_string(),
                "numAddedBytes": files.iter().map(DataFile::size).sum::<i64>().to_string(),
            }),
        };
        target.engine.holding().confirm().await?;
        failpoint::hit("write.commit").map_err(storage_error)?;
        let committed = sink.redefine_with(&spec, &files, &change).await;
        if committed
            .map_err(|error| commit_error(&target.name, error))?
            .is_some()
        {
            return Ok(spec);
        }
        forget(target, files);
    }
    Err(outpaced(target))
}

/// Writes the rows of files under the new names.
async fn copy(
    sink: &DeltaSink,
    spec: &TableSpec,
    rows: &FileRows,
    files: &[(i64, TableFile)],
    into: &mut Written,
) -> Result<()> {
    let (mut round, mut bytes) = (Vec::new(), 0);
    for (number, _) in files {
        for batch in rows.file(*number).await.map_err(storage_error)? {
            let batch = batch.map_err(storage_error)?;
            let columns = batch.columns().to_vec();
            let batch = RecordBatch::try_new(std::sync::Arc::clone(&spec.schema), columns)
                .map_err(|error| Error::internal(format!("rows under other names: {error}")))?;
            bytes += batch.get_array_memory_size();
            round.push(batch);
            if bytes >= ROUND_BYTES {
                let files = sink.write_files_as(spec, &round, "rename").await;
                into.files.extend(files.map_err(storage_error)?);
                round.clear();
                bytes = 0;
            }
        }
    }
    let files = sink.write_files_as(spec, &round, "rename").await;
    into.files.extend(files.map_err(storage_error)?);
    Ok(())
}
