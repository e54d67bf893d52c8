-- dbm: module hr
-- dbm: unless table leaves

CREATE TABLE leaves (
    id ${identity},
    employee BIGINT NOT NULL,
    starts_on DATE NOT NULL,
    ends_on DATE NOT NULL,
    kind VARCHAR(30) NOT NULL,
    approved BOOLEAN DEFAULT FALSE NOT NULL,
    CONSTRAINT leaves_dates_check CHECK (ends_on >= starts_on),
    CONSTRAINT leaves_employee_fkey FOREIGN KEY (employee) REFERENCES employees (id)
);
