-- dbm: module hr
-- dbm: unless table payrolls

CREATE TABLE payrolls (
    id ${identity},
    employee BIGINT NOT NULL,
    period VARCHAR(7) NOT NULL,
    gross NUMERIC(12, 2) NOT NULL,
    net NUMERIC(12, 2) NOT NULL,
    paid_on DATE,
    CONSTRAINT payrolls_employee_period_key UNIQUE (employee, period),
    CONSTRAINT payrolls_employee_fkey FOREIGN KEY (employee) REFERENCES employees (id)
);
