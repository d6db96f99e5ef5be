//! Plans and what they refuse.
