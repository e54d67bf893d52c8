-- dbm: module hr
-- dbm: unless table job_postings

CREATE TABLE job_postings (
    id ${identity},
    title VARCHAR(200) NOT NULL,
    description TEXT,
    is_open BOOLEAN DEFAULT TRUE NOT NULL,
    posted_on DATE
);
