-- dbm: module gate
-- dbm: unless table gate_entry_logs

CREATE TABLE gate_entry_logs (
    id ${identity},
    gate_user_id BIGINT NOT NULL,
    entered_at ${timestamp} DEFAULT CURRENT_TIMESTAMP,
    purpose VARCHAR(200),
    CONSTRAINT gate_entry_logs_gate_user_id_fkey FOREIGN KEY (gate_user_id) REFERENCES gate_users (id)
);

CREATE INDEX gate_entry_logs_entered_at_idx ON gate_entry_logs (entered_at);
