use super::{assert_same, databases, dump, psql, same, schema, script};

const TABLES: &str = "
    CREATE TABLE target (k int PRIMARY KEY);
    CREATE TABLE whole (k int) PARTITION BY LIST (k);
    CREATE TABLE middle PARTITION OF whole FOR VALUES IN (1, 2) PARTITION BY LIST (k);
    -- Its name comes before those of the tables above it.
    CREATE TABLE a_part PARTITION OF middle FOR VALUES IN (1);";

const KEYS: &str = "SELECT k.conrelid::regclass::text, k.conname, a.conname FROM pg_constraint k
    LEFT JOIN pg_constraint a ON a.oid = k.conparentid WHERE k.contype = 'f' ORDER BY 1, 2";

/// A key of a table with partitions takes an equal one that a partition has for its own: which has become whose depends on
/// the order in which they were made, and comes back as it is.
#[tokio::test]
async fn equal_foreign_keys_of_partitions_belong_to_the_same_ones_again() {
    let orders = [
        ["a_part own", "whole one", "whole two"],
        ["a_part own", "whole two", "whole one"],
        ["whole one", "a_part own", "whole two"],
        ["whole one", "whole two", "a_part own"],
        ["whole two", "a_part own", "a_part also"],
        ["middle mine", "a_part own", "whole one"],
        ["whole one", "middle mine", "a_part own"],
        ["a_part own", "middle mine", "whole one"],
        ["middle mine", "whole one", "a_part own"],
    ];
    for order in orders {
        let [one, copy] = databases("partitions");
        let made = order.map(|step| {
            let (table, name) = step.split_once(' ').unwrap();
            format!("ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY (k) REFERENCES target;\n")
        });
        psql(&one, &format!("{TABLES}{}", made.concat()));
        let first = schema(&one).await;
        first.check_carried().unwrap();
        psql(&copy, &script(&first));
        same(&format!("the keys of {order:?}"), &psql(&one, KEYS), &psql(&copy, KEYS));
        same(&format!("the dumps of {order:?}"), &dump(&one), &dump(&copy));
        assert_same(&first, &schema(&copy).await);
    }
}
