-- dbm: module gate
-- dbm: unless table guest_list

CREATE TABLE guest_list (
    id ${identity},
    name VARCHAR(150) NOT NULL,
    host_id BIGINT,
    expected_at ${timestamp},
    vehicle_number VARCHAR(30),
    checked_in BOOLEAN DEFAULT FALSE NOT NULL,
    CONSTRAINT guest_list_host_id_fkey FOREIGN KEY (host_id) REFERENCES staff (id)
);
