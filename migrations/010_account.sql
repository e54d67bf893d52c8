-- dbm: module account
-- dbm: unless table account

CREATE TABLE account (
    id ${identity},
    code VARCHAR(30) NOT NULL,
    name VARCHAR(150) NOT NULL,
    kind VARCHAR(30) NOT NULL,
    balance NUMERIC(14, 2) DEFAULT 0 NOT NULL,
    CONSTRAINT account_code_key UNIQUE (code)
);
