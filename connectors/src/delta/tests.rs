//! Exactly once into a Delta table, and readable by everybody.
