-- dbm: module staff
-- dbm: unless table staff

CREATE TABLE staff (
    id ${identity},
    user_id BIGINT,
    full_name VARCHAR(200) NOT NULL,
    department VARCHAR(100),
    joined_on DATE,
    CONSTRAINT staff_user_id_fkey FOREIGN KEY (user_id) REFERENCES ${user} (id)
);
