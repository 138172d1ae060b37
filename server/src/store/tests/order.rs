//! Visible order.
