use super::reader::{Node, Reader, class, id};
use super::sql::{get, ident, lit};
use super::triggers::state;
use crate::{Kind, Result, Section};

/// The tags stay in the order in which they were given.
const QUERY: &str = "
    SELECT e.oid, e.evtname::text AS name, e.evtevent::text AS event, pg_get_userbyid(e.evtowner)::text AS owner,
        e.evtenabled::text AS state, coalesce(e.evttags, '{}') AS tags,
        quote_ident(n.nspname) || '.' || quote_ident(p.proname) AS function
    FROM pg_event_trigger e JOIN pg_proc p ON p.oid = e.evtfoid JOIN pg_namespace n ON n.oid = p.pronamespace
    ORDER BY e.evtname COLLATE \"C\"";

/// They come last of all, since they fire at what a restore does.
pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    for row in reader.rows("event triggers", QUERY).await? {
        let oid: u32 = get(&row, "oid")?;
        if reader.is_member(class::EVENT_TRIGGER, oid) {
            continue;
        }
        let (name, event): (String, String) = (get(&row, "name")?, get(&row, "event")?);
        let tags: Vec<String> = get(&row, "tags")?;
        let target = format!("EVENT TRIGGER {}", ident(&name));
        let mut text = format!("CREATE {target} ON {}", ident(&event));
        if !tags.is_empty() {
            let tags: Vec<String> = tags.iter().map(|tag| lit(tag)).collect();
            text.push_str(&format!("\n    WHEN TAG IN ({})", tags.join(", ")));
        }
        text.push_str(&format!("\n    EXECUTE FUNCTION {}();\n", get::<String>(&row, "function")?));
        if let Some(word) = state(&get::<String>(&row, "state")?) {
            text.push_str(&format!("ALTER {target} {word};\n"));
        }
        let node = Node::new(id(Kind::EventTrigger, "", "", &name), Section::Final, target, text);
        reader.add((class::EVENT_TRIGGER, oid), node.owned(&get::<String>(&row, "owner")?));
    }
    Ok(())
}
