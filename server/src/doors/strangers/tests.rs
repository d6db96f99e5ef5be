//! Who goes when others come, and when.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use tokio::time::timeout;

use super::*;

const LONG: Duration = Duration::from_secs(3600);
const MOMENT: Duration = Duration::from_millis(50);

async fn goes(stranger: &Stranger) -> bool {
    timeout(MOMENT, stranger.patience(LONG)).await.is_ok()
}

#[tokio::test]
async fn the_first_goes_for_the_next_and_who_is_known_for_nobody() {
    let strangers = Strangers::new(2);
    let (known, first, second) = (strangers.enter(), strangers.enter(), strangers.enter());
    // It went at the third, and is late to be known.
    assert!(goes(&known).await && !known.is_known());
    first.known();
    assert!(first.is_known());
    let third = strangers.enter();
    assert!(!goes(&first).await && !goes(&second).await && !goes(&third).await);
    let fourth = strangers.enter();
    assert!(!goes(&first).await && goes(&second).await && !goes(&third).await);
    // Who leaves makes room.
    drop(third);
    let fifth = strangers.enter();
    assert!(!goes(&fourth).await && !goes(&fifth).await);
}

#[tokio::test]
async fn patience_ends_and_may_begin_anew() {
    let strangers = Strangers::new(1);
    let stranger = strangers.enter();
    timeout(Duration::from_secs(10), stranger.patience(MOMENT))
        .await
        .unwrap();
    let mut patience = stranger.patience(MOMENT);
    patience.anew(LONG);
    assert!(timeout(MOMENT * 2, &mut patience).await.is_err());
    let _next = strangers.enter();
    patience.await;
}
