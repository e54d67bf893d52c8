-- dbm: module staff
-- dbm: unless table work_profile

CREATE TABLE work_profile (
    id ${identity},
    staff_id BIGINT NOT NULL,
    title VARCHAR(150) NOT NULL,
    skills TEXT,
    hours_per_week NUMERIC(5, 2),
    CONSTRAINT work_profile_staff_id_key UNIQUE (staff_id),
    CONSTRAINT work_profile_staff_id_fkey FOREIGN KEY (staff_id) REFERENCES staff (id) ON DELETE CASCADE
);
