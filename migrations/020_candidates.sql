-- dbm: module hr
-- dbm: unless table candidates

CREATE TABLE candidates (
    id ${identity},
    full_name VARCHAR(200) NOT NULL,
    email VARCHAR(200) NOT NULL,
    phone VARCHAR(30),
    CONSTRAINT candidates_email_key UNIQUE (email)
);
