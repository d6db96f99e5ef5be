//! The real broker, produced to and read back: the record is what is in the topic.

use std::time::Duration;

use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};

use super::*;

#[test]
fn what_is_read_back_is_what_the_record_says() {
    let mut broker = Broker::start().unwrap();
    broker.create_topic("t", 2);
    let mut producer = Producer::new(&broker, "t", 2);
    producer.send_all(&Shape::of(3000, 9));
    producer.flush();
    let produced = producer.produced.clone();
    drop(producer);

    let read = read_back(&broker, produced.total());
    for (partition, offset, good) in &read {
        let message = produced.get(*partition, *offset).unwrap();
        assert_eq!(message == Message::Malformed, !good, "{partition}/{offset}");
    }
    assert_eq!(read.len(), produced.total());

    // a killed broker comes back on the same port with the same data
    broker.kill();
    broker.up().unwrap();
    assert_eq!(read_back(&broker, produced.total()), read);

    broker.add_partitions("t", 3);
    assert_eq!(broker.partitions("t"), Some(3));
    broker.delete_topic("t");
    assert_eq!(broker.partitions("t"), None);
}

fn read_back(broker: &Broker, total: usize) -> Vec<(i32, i64, bool)> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .set("group.id", "read-back")
        .set("auto.offset.reset", "error")
        .create()
        .unwrap();
    let mut from = TopicPartitionList::new();
    for partition in 0..2 {
        from.add_partition_offset("t", partition, Offset::Beginning)
            .unwrap();
    }
    consumer.assign(&from).unwrap();
    let mut read = Vec::new();
    while read.len() < total {
        let message = consumer
            .poll(Duration::from_secs(20))
            .expect("a message within 20 s")
            .unwrap();
        let good = message
            .payload()
            .and_then(|payload| serde_json::from_slice::<serde_json::Value>(payload).ok())
            .is_some_and(|json| json["value"].is_number() && json["timestamp"] != "yesterday");
        read.push((message.partition(), message.offset(), good));
    }
    read.sort_unstable();
    read
}
