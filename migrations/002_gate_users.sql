-- dbm: module gate
-- dbm: unless table gate_users

CREATE TABLE gate_users (
    id ${identity},
    name VARCHAR(150) NOT NULL,
    phone VARCHAR(30),
    badge_number VARCHAR(50) NOT NULL,
    created_at ${timestamp} DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT gate_users_badge_number_key UNIQUE (badge_number)
);
