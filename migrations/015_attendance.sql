-- dbm: module hr
-- dbm: unless table attendance

CREATE TABLE attendance (
    id ${identity},
    employee BIGINT NOT NULL,
    day DATE NOT NULL,
    hours NUMERIC(4, 2),
    CONSTRAINT attendance_employee_day_key UNIQUE (employee, day),
    CONSTRAINT attendance_employee_fkey FOREIGN KEY (employee) REFERENCES employees (id)
);
