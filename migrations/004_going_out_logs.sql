-- dbm: module gate
-- dbm: unless table going_out_logs

CREATE TABLE going_out_logs (
    id ${identity},
    gate_user_id BIGINT NOT NULL,
    left_at ${timestamp} DEFAULT CURRENT_TIMESTAMP,
    returned_at ${timestamp},
    reason VARCHAR(200),
    CONSTRAINT going_out_logs_gate_user_id_fkey FOREIGN KEY (gate_user_id) REFERENCES gate_users (id)
);
