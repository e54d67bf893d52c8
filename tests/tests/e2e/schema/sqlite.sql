CREATE TABLE account (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    code VARCHAR(30) NOT NULL,
    name VARCHAR(150) NOT NULL,
    kind VARCHAR(30) NOT NULL,
    balance NUMERIC(14, 2) DEFAULT 0 NOT NULL,
    CONSTRAINT account_code_key UNIQUE (code)
);
CREATE TABLE attendance (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    employee BIGINT NOT NULL,
    day DATE NOT NULL,
    hours NUMERIC(4, 2),
    CONSTRAINT attendance_employee_day_key UNIQUE (employee, day),
    CONSTRAINT attendance_employee_fkey FOREIGN KEY (employee) REFERENCES employees (id)
);
CREATE TABLE candidates (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    full_name VARCHAR(200) NOT NULL,
    email VARCHAR(200) NOT NULL,
    phone VARCHAR(30),
    CONSTRAINT candidates_email_key UNIQUE (email)
);
CREATE TABLE customer (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name VARCHAR(200) NOT NULL,
    email VARCHAR(200),
    phone VARCHAR(30),
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE dispatch_request (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    request_number VARCHAR(50) NOT NULL,
    showroom_product_id BIGINT,
    quantity INTEGER NOT NULL,
    status VARCHAR(30) DEFAULT 'open' NOT NULL,
    requested_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, priority VARCHAR(20) DEFAULT 'normal' NOT NULL, delivery_address VARCHAR(300), contact_phone VARCHAR(30), scheduled_at TIMESTAMP, delivered_at TIMESTAMP, notes TEXT,
    CONSTRAINT dispatch_request_request_number_key UNIQUE (request_number),
    CONSTRAINT dispatch_request_showroom_product_id_fkey FOREIGN KEY (showroom_product_id) REFERENCES showroom_product (id)
);
CREATE TABLE employees (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    employee_id VARCHAR(30) NOT NULL,
    full_name VARCHAR(200) NOT NULL,
    email VARCHAR(200),
    job_title VARCHAR(150),
    manager_id BIGINT,
    hired_on DATE,
    CONSTRAINT employees_employee_id_key UNIQUE (employee_id),
    CONSTRAINT employees_manager_id_fkey FOREIGN KEY (manager_id) REFERENCES employees (id)
);
CREATE TABLE gate_entry_logs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    gate_user_id BIGINT NOT NULL,
    entered_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    purpose VARCHAR(200),
    CONSTRAINT gate_entry_logs_gate_user_id_fkey FOREIGN KEY (gate_user_id) REFERENCES gate_users (id)
);
CREATE TABLE gate_users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name VARCHAR(150) NOT NULL,
    phone VARCHAR(30),
    badge_number VARCHAR(50) NOT NULL,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT gate_users_badge_number_key UNIQUE (badge_number)
);
CREATE TABLE going_out_logs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    gate_user_id BIGINT NOT NULL,
    left_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    returned_at TIMESTAMP,
    reason VARCHAR(200),
    CONSTRAINT going_out_logs_gate_user_id_fkey FOREIGN KEY (gate_user_id) REFERENCES gate_users (id)
);
CREATE TABLE guest_list (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name VARCHAR(150) NOT NULL,
    host_id BIGINT,
    expected_at TIMESTAMP,
    vehicle_number VARCHAR(30),
    checked_in BOOLEAN DEFAULT FALSE NOT NULL,
    CONSTRAINT guest_list_host_id_fkey FOREIGN KEY (host_id) REFERENCES staff (id)
);
CREATE TABLE interviews (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job_application_id BIGINT NOT NULL,
    interviewer BIGINT,
    held_at TIMESTAMP,
    outcome VARCHAR(30),
    CONSTRAINT interviews_job_application_id_fkey FOREIGN KEY (job_application_id) REFERENCES job_applications (id),
    CONSTRAINT interviews_interviewer_fkey FOREIGN KEY (interviewer) REFERENCES employees (id)
);
CREATE TABLE job_applications (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job_posting_id BIGINT NOT NULL,
    candidate_id BIGINT NOT NULL,
    status VARCHAR(30) DEFAULT 'received' NOT NULL,
    applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT job_applications_posting_candidate_key UNIQUE (job_posting_id, candidate_id),
    CONSTRAINT job_applications_job_posting_id_fkey FOREIGN KEY (job_posting_id) REFERENCES job_postings (id),
    CONSTRAINT job_applications_candidate_id_fkey FOREIGN KEY (candidate_id) REFERENCES candidates (id)
);
CREATE TABLE job_postings (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    title VARCHAR(200) NOT NULL,
    description TEXT,
    is_open BOOLEAN DEFAULT TRUE NOT NULL,
    posted_on DATE
);
CREATE TABLE leaves (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    employee BIGINT NOT NULL,
    starts_on DATE NOT NULL,
    ends_on DATE NOT NULL,
    kind VARCHAR(30) NOT NULL,
    approved BOOLEAN DEFAULT FALSE NOT NULL,
    CONSTRAINT leaves_dates_check CHECK (ends_on >= starts_on),
    CONSTRAINT leaves_employee_fkey FOREIGN KEY (employee) REFERENCES employees (id)
);
CREATE TABLE payrolls (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    employee BIGINT NOT NULL,
    period VARCHAR(7) NOT NULL,
    gross NUMERIC(12, 2) NOT NULL,
    net NUMERIC(12, 2) NOT NULL,
    paid_on DATE,
    CONSTRAINT payrolls_employee_period_key UNIQUE (employee, period),
    CONSTRAINT payrolls_employee_fkey FOREIGN KEY (employee) REFERENCES employees (id)
);
CREATE TABLE performance_reviews (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    employee BIGINT NOT NULL,
    reviewer BIGINT,
    reviewed_on DATE NOT NULL,
    score INTEGER,
    notes TEXT,
    CONSTRAINT performance_reviews_score_check CHECK (score BETWEEN 1 AND 5),
    CONSTRAINT performance_reviews_employee_fkey FOREIGN KEY (employee) REFERENCES employees (id),
    CONSTRAINT performance_reviews_reviewer_fkey FOREIGN KEY (reviewer) REFERENCES employees (id)
);
CREATE TABLE purchase_order (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    order_number VARCHAR(50) NOT NULL,
    supplier VARCHAR(200) NOT NULL,
    status VARCHAR(30) DEFAULT 'draft' NOT NULL,
    total NUMERIC(12, 2) DEFAULT 0 NOT NULL,
    ordered_by BIGINT,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, original_requirements TEXT,
    CONSTRAINT purchase_order_order_number_key UNIQUE (order_number),
    CONSTRAINT purchase_order_ordered_by_fkey FOREIGN KEY (ordered_by) REFERENCES "user" (id)
);
CREATE TABLE sales_order (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    order_number VARCHAR(50) NOT NULL,
    customer_id BIGINT,
    showroom_product_id BIGINT NOT NULL,
    quantity INTEGER DEFAULT 1 NOT NULL,
    status VARCHAR(30) DEFAULT 'open' NOT NULL,
    ordered_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT sales_order_order_number_key UNIQUE (order_number),
    CONSTRAINT sales_order_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES customer (id),
    CONSTRAINT sales_order_showroom_product_id_fkey FOREIGN KEY (showroom_product_id) REFERENCES showroom_product (id)
);
CREATE TABLE sales_transaction (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sales_order_id BIGINT NOT NULL,
    account_id BIGINT,
    amount NUMERIC(12, 2) NOT NULL,
    method VARCHAR(30),
    paid_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT sales_transaction_sales_order_id_fkey FOREIGN KEY (sales_order_id) REFERENCES sales_order (id),
    CONSTRAINT sales_transaction_account_id_fkey FOREIGN KEY (account_id) REFERENCES account (id)
);
CREATE TABLE seeded_row (
    table_name VARCHAR(63) NOT NULL,
    row_key VARCHAR(100) NOT NULL,
    PRIMARY KEY (table_name, row_key)
);
CREATE TABLE showroom_product (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sku VARCHAR(50) NOT NULL,
    name VARCHAR(200) NOT NULL,
    price NUMERIC(12, 2) NOT NULL,
    stock INTEGER DEFAULT 0 NOT NULL,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT showroom_product_sku_key UNIQUE (sku),
    CONSTRAINT showroom_product_price_check CHECK (price >= 0)
);
CREATE TABLE staff (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id BIGINT,
    full_name VARCHAR(200) NOT NULL,
    department VARCHAR(100),
    joined_on DATE,
    CONSTRAINT staff_user_id_fkey FOREIGN KEY (user_id) REFERENCES "user" (id)
);
CREATE TABLE transport_job (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    vehicle_id BIGINT NOT NULL,
    dispatch_request_id BIGINT,
    driver BIGINT,
    starts_at TIMESTAMP,
    ends_at TIMESTAMP,
    status VARCHAR(30) DEFAULT 'planned' NOT NULL,
    CONSTRAINT transport_job_vehicle_id_fkey FOREIGN KEY (vehicle_id) REFERENCES vehicle (id),
    CONSTRAINT transport_job_dispatch_request_id_fkey FOREIGN KEY (dispatch_request_id) REFERENCES dispatch_request (id),
    CONSTRAINT transport_job_driver_fkey FOREIGN KEY (driver) REFERENCES employees (id)
);
CREATE TABLE "user" (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    username VARCHAR(100) NOT NULL,
    email VARCHAR(200),
    password_hash VARCHAR(200) NOT NULL,
    role VARCHAR(50) DEFAULT 'user' NOT NULL,
    is_active BOOLEAN DEFAULT TRUE NOT NULL,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT user_username_key UNIQUE (username)
);
CREATE TABLE vehicle (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    vehicle_number VARCHAR(30) NOT NULL,
    model VARCHAR(100),
    capacity_kg INTEGER,
    is_available BOOLEAN DEFAULT TRUE NOT NULL,
    CONSTRAINT vehicle_vehicle_number_key UNIQUE (vehicle_number)
);
CREATE TABLE work_profile (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    staff_id BIGINT NOT NULL,
    title VARCHAR(150) NOT NULL,
    skills TEXT,
    hours_per_week NUMERIC(5, 2),
    CONSTRAINT work_profile_staff_id_key UNIQUE (staff_id),
    CONSTRAINT work_profile_staff_id_fkey FOREIGN KEY (staff_id) REFERENCES staff (id) ON DELETE CASCADE
);
CREATE INDEX gate_entry_logs_entered_at_idx ON gate_entry_logs (entered_at);
