-- dbm: module core
-- dbm: unless table user

CREATE TABLE ${user} (
    id ${identity},
    username VARCHAR(100) NOT NULL,
    email VARCHAR(200),
    password_hash VARCHAR(200) NOT NULL,
    role VARCHAR(50) DEFAULT 'user' NOT NULL,
    is_active BOOLEAN DEFAULT TRUE NOT NULL,
    created_at ${timestamp} DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT user_username_key UNIQUE (username)
);
