-- dbm: module fleet
-- dbm: unless table transport_job

CREATE TABLE transport_job (
    id ${identity},
    vehicle_id BIGINT NOT NULL,
    dispatch_request_id BIGINT,
    driver BIGINT,
    starts_at ${timestamp},
    ends_at ${timestamp},
    status VARCHAR(30) DEFAULT 'planned' NOT NULL,
    CONSTRAINT transport_job_vehicle_id_fkey FOREIGN KEY (vehicle_id) REFERENCES vehicle (id),
    CONSTRAINT transport_job_dispatch_request_id_fkey FOREIGN KEY (dispatch_request_id) REFERENCES dispatch_request (id),
    CONSTRAINT transport_job_driver_fkey FOREIGN KEY (driver) REFERENCES employees (id)
);
